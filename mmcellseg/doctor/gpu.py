"""What only a GPU can show, in parts that are written down as they end; on the CPU the same in tiny sizes."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from . import arithmetic, trainings
from .answer import Answer, ask, environment, show, write_report
from .machine import all_reduce
from .packages import check_mmcv, check_torch
from .trainings import Bench, OutOfTimeError

LEFT_OUT = 'left out'
AGAIN = 'run the same command again'


class Part(NamedTuple):
    """What runs, and the ``seconds`` that it takes on a GPU at most: it begins only if these are left."""

    seconds: int
    run: Callable[[Bench], Answer]


def processes(bench: Bench) -> Answer:
    """NCCL over all GPUs, one is enough; gloo over two processes on the CPU."""
    import torch

    count = torch.cuda.device_count() if bench.device == 'cuda' else 2
    return all_reduce(bench.device, count, 'forkserver', limit=60)


PARTS = {
    'operators': Part(20, arithmetic.operators),
    'assigner': Part(20, arithmetic.assigner),
    'RLE head': Part(30, arithmetic.rle_head),
    'processes': Part(60, processes),
    **{precision: Part(60, partial(trainings.train, precision=precision)) for precision in trainings.PRECISIONS},
    'format-only': Part(90, trainings.format_only),
    'benchmark predict': Part(60, partial(trainings.benchmark, case='predict')),
    'benchmark load': Part(60, partial(trainings.benchmark, case='load')),
    **{f'member {name}': Part(60, partial(trainings.member, name=name)) for name in trainings.MODELS},
    'benchmark train': Part(120, partial(trainings.benchmark, case='train')),
}


def run_gpu(out: Path, seconds: float, device: str = 'cuda', parts: dict[str, Part] = PARTS) -> dict[str, Answer]:
    """Run the parts that ``out`` has no result of yet, as far as they fit into the seconds, and show each.

    ``out`` is written after each part; what failed or was left out in it is run again. A file of another machine or
    of other package versions is begun anew.
    """
    if device == 'cuda' and (trouble := _no_gpu()):
        return {'GPU': show('GPU', trouble)}
    begun = time.monotonic()
    told = {'device': device, **ask(environment).figures}
    answers = _earlier(out, told)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(device, Path(folder), begun + seconds)
        for name, part in parts.items():
            if name in answers and answers[name].status in ('ok', 'warning'):
                show(name, answers[name]._replace(text=f'{answers[name].text} (measured before)'))
                continue
            answers[name] = show(name, ask(_one, part, bench))
            written = ask(write_report, out, 'parts', answers, told)
            if written.status != 'ok':
                show('report', written)
    return answers


def _no_gpu() -> Answer | None:
    """Why the parts cannot run, in a line."""
    for check in (check_torch, check_mmcv):
        if (answer := ask(check)).status == 'fail':
            return answer
    import torch

    if torch.cuda.is_available():
        return None
    return Answer('fail', f'no GPU to run this on: torch {ask(check_torch).text}', '--device cpu tries the parts')


def _one(part: Part, bench: Bench) -> Answer:
    begun = time.monotonic()
    if bench.device == 'cuda' and bench.left < part.seconds:
        return Answer(LEFT_OUT, f'takes up to {part.seconds} s, of which {max(bench.left, 0):.0f} are left', AGAIN)
    try:
        answer = part.run(bench)
    except OutOfTimeError as error:
        return Answer(LEFT_OUT, str(error), f'{AGAIN}, with more --minutes')
    return answer._replace(figures={**answer.figures, 'seconds': round(time.monotonic() - begun, 1)})


def _earlier(out: Path, told: dict[str, Any]) -> dict[str, Answer]:
    """The answers of a file of this machine, with these packages."""
    try:
        content = json.loads(out.read_text())
        same = {key: content.get(key) for key in told} == json.loads(json.dumps(told))
        return {name: Answer(**answer) for name, answer in content['parts'].items()} if same else {}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}
