"""What only a GPU can show, in parts that are written down as they end; on the CPU the same in tiny sizes."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from . import arithmetic, trainings
from .answer import Answer, ask, environment, show
from .machine import all_reduce
from .packages import check_mmcv, check_torch
from .trainings import Bench, OutOfTimeError

LEFT_OUT = 'left out'


@dataclass
class Part:
    """``seconds`` it is expected to take on a GPU, at most: it begins only if these are left."""

    seconds: int
    run: Callable[[Bench], Answer]


def processes(bench: Bench) -> Answer:
    """NCCL over all GPUs, one is enough; gloo over two processes on the CPU."""
    import torch

    count = torch.cuda.device_count() if bench.device == 'cuda' else 2
    return all_reduce(bench.device, count, 'spawn', limit=60)


PARTS = {
    'operators': Part(20, arithmetic.operators),
    'assigner': Part(20, arithmetic.assigner),
    'RLE head': Part(30, arithmetic.rle_head),
    'processes': Part(60, processes),
    'float32': Part(60, partial(trainings.train, precision='float32')),
    'AMP': Part(60, partial(trainings.train, precision='AMP')),
    'TF32': Part(60, partial(trainings.train, precision='TF32')),
    'format-only': Part(90, trainings.format_only),
    'benchmark predict': Part(60, partial(trainings.benchmark, case='predict')),
    'benchmark load': Part(60, partial(trainings.benchmark, case='load')),
    'member lite0': Part(60, partial(trainings.member, name='lite0')),
    'member x101': Part(60, partial(trainings.member, name='x101')),
    'benchmark train': Part(120, partial(trainings.benchmark, case='train')),
}


def run_gpu(out: Path, seconds: float, device: str = 'cuda', parts: dict[str, Part] = PARTS) -> dict[str, Answer]:
    """Run the parts that ``out`` has no result of yet, as far as they fit into the seconds, and show each.

    ``out`` is written after each part; what failed or was left out in it is run again. A file of another machine or
    of other package versions is begun anew.
    """
    if device == 'cuda' and (trouble := _no_gpu()):
        show('GPU', trouble)
        return {'GPU': trouble}
    begun = time.monotonic()
    told = {'device': device, **ask(environment).figures}
    answers = _earlier(out, told)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(device, Path(folder), begun + seconds)
        for name, part in parts.items():
            if answers.get(name, Answer(LEFT_OUT, '')).status in ('ok', 'warning'):
                show(name, answers[name]._replace(text=f'{answers[name].text} (measured before)'))
                continue
            answers[name] = _one(part, bench)
            show(name, answers[name])
            written = ask(_write, out, told, answers)
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
    again = 'run the same command again'
    if bench.left < (part.seconds if bench.device == 'cuda' else 0):
        return Answer(LEFT_OUT, f'takes up to {part.seconds} s, of which {max(bench.left, 0):.0f} are left', again)
    begun = time.monotonic()

    def timed() -> Answer:
        try:
            answer = part.run(bench)
        except OutOfTimeError as error:
            return Answer(LEFT_OUT, str(error), f'{again}, with more --minutes')
        return answer._replace(figures={**answer.figures, 'seconds': round(time.monotonic() - begun, 1)})

    return ask(timed)


def _earlier(out: Path, told: dict[str, Any]) -> dict[str, Answer]:
    """The answers of a file of this machine, with these packages."""
    try:
        content = json.loads(out.read_text())
        same = {key: content.get(key) for key in told} == json.loads(json.dumps(told))
        return {name: Answer(**answer) for name, answer in content['parts'].items()} if same else {}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def _write(out: Path, told: dict[str, Any], answers: dict[str, Answer]) -> Answer:
    from ..structures.files import atomic_write

    parts = {name: answer._asdict() for name, answer in answers.items()}
    atomic_write(out, json.dumps({**told, 'parts': parts}, indent=1))
    return Answer('ok', f'wrote {out}')
