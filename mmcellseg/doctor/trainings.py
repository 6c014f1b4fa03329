"""Trainings, tests and benchmarks of the project's own tools, each in a fresh process that time can end."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import shutil
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .answer import PROJECT, Answer

RECIPES = {
    'cuda': PROJECT / 'configs/baselines/r50v2_a8-128_cw.py',
    'cpu': PROJECT / 'configs/demo/m1.py',  # r50v2 takes a minute a step on two cores
}
MODELS = {
    'lite0': PROJECT / 'configs/_base_/models/mask-rcnn_lite0_fpn-64.py',
    'x101': PROJECT / 'configs/_base_/models/mask-rcnn_x101-32x4d_fpn.py',
}
# Read by NVIDIA's libraries and by torch: convolutions take TF32 unless told otherwise, matrix products do not.
PRECISIONS: dict[str, dict[str, str]] = {
    'float32': {'NVIDIA_TF32_OVERRIDE': '0'},
    'AMP': {},
    'TF32': {'TORCH_ALLOW_TF32_CUBLAS_OVERRIDE': '1'},
}
WARM_UP = 3  # steps
MOST_WAITING = 0.05  # of the time, for data


class OutOfTimeError(RuntimeError):
    """The time for the parts ended in one."""


@dataclass
class Bench:
    """Where the parts run, where they may write, and when their time ends (by ``time.monotonic()``)."""

    device: str
    folder: Path
    deadline: float

    @property
    def tiny(self) -> bool:
        return self.device == 'cpu'

    @property
    def left(self) -> float:
        return self.deadline - time.monotonic()

    def run_tool(self, tool: str, *arguments: object, **variables: str) -> None:
        """Run one of the project's tools in a fresh process; what it started ends with it.

        Raises:
            RuntimeError: With the last line of its output, if it ended with an error.
            OutOfTimeError: The deadline came first.
        """
        from ..runs.processes import run_tool

        hidden = {'CUDA_VISIBLE_DEVICES': ''} if self.device == 'cpu' else {}
        variables |= {'PYTHONPATH': os.pathsep.join([str(PROJECT), os.environ.get('PYTHONPATH', '')]), **hidden}
        log = self.folder / 'output.log'
        try:
            with log.open('w') as output:
                run_tool(tool, *arguments, seconds=max(self.left, 1), output=output, **variables)
        except subprocess.TimeoutExpired:
            raise OutOfTimeError(f'{tool} did not end in the time that was left') from None
        except RuntimeError as error:
            lines = [line for line in log.read_text(errors='replace').splitlines() if line.strip()]
            raise RuntimeError(f'{str(error).partition(";")[0]}: {lines[-1] if lines else "no output"}') from None

    def data(self) -> Path:
        """A synthetic data set, converted; made by the first part that asks."""
        from ..data.convert import read_dataset, write_conversion
        from ..synthetic.data_set import make_synthetic

        root = self.folder / 'data'
        if not root.exists():
            side = 96 if self.tiny else 512
            make_synthetic(root, num_train=3 if self.tiny else 16, num_test=2, size_range=(side, side), dense=False)
            with contextlib.redirect_stderr(io.StringIO()):  # its progress bars
                write_conversion(read_dataset(root), root)
        return root


def write_config(bench: Bench, name: str, steps: int, model: Path | None = None) -> Path:
    """The recipe from random weights on the synthetic data, for some steps and without validation, each step logged."""
    from mmengine.config import Config

    from ..components.config_paths import config_datasets
    from ..runs.launch import load_config

    cfg = load_config(str(RECIPES[bench.device]))
    if model is not None:
        cfg.model = Config.fromfile(model).model
    cfg.model.backbone.init_cfg = cfg.load_from = None
    for kind in ('train', 'test'):
        for dataset in config_datasets(cfg, kind):
            dataset.update(data_root=str(bench.data()), ann_file=f'annotations/{kind}.json')
    cfg.test_evaluator.ann_file = f'{bench.data()}/annotations/test.json'
    loader = cfg.train_dataloader
    loader.sampler = {'type': 'WeightedRandomSampler', 'num_samples': steps * loader.batch_size}
    cfg.train_cfg.max_epochs = 1
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.default_hooks.logger = {'type': 'LoggerHook', 'interval': 1}
    cfg.log_processor = {'type': 'LogProcessor', 'window_size': 1}
    path = bench.folder / f'{name}.py'
    cfg.dump(path)
    return path


def train(bench: Bench, precision: str, model: Path | None = None) -> Answer:
    """Some steps in ``precision`` with finite losses; the figures leave the first steps out."""
    from mmengine.config import Config

    from ..reporting.run_log import read_scalars

    name, steps = f'{precision}_{model.stem if model else "recipe"}', WARM_UP + (1 if bench.tiny else 10)
    config, run = write_config(bench, name, steps, model), bench.folder / name
    amp = ['--amp'] if precision == 'AMP' else []
    bench.run_tool('train.py', config, '--work-dir', run, *amp, **PRECISIONS[precision])
    (log,) = run.glob('*/vis_data/scalars.json')
    rows: list[dict[str, Any]] = [row for row in read_scalars(log) if 'loss' in row]
    shutil.rmtree(run)  # a checkpoint takes half a gigabyte
    losses, timed = [row['loss'] for row in rows], rows[WARM_UP:]
    every = [value for row in rows for key, value in row.items() if 'loss' in key]
    if len(rows) != steps or not all(map(math.isfinite, every)):
        text = f'{len(rows)} of {steps} steps, losses {losses}'
        return Answer('fail', text, 'a loss that is not finite: train in float32 and report it')
    figures = {
        'images/s': Config.fromfile(config).train_dataloader.batch_size / statistics.median(r['time'] for r in timed),
        'waits': sum(row['data_time'] for row in timed) / sum(row['time'] for row in timed),
        'MB': max(row.get('memory', 0) for row in rows),
        'losses': losses,
    }
    text = (
        f'{steps} steps with finite losses ({losses[0]:.3g} to {losses[-1]:.3g}), {figures["images/s"]:.3g} images/s, '
    )
    text += f'{figures["MB"]} MB, waits for data {figures["waits"]:.1%}'
    return Answer('ok', text, figures=figures)


def member(bench: Bench, name: str) -> Answer:
    """The recipe with another model, in mixed precision; 'AMP' is the recipe's own model."""
    return train(bench, 'AMP', MODELS[name])


def format_only(bench: Bench) -> Answer:
    """A training of a step, and a test of it that writes predictions and the submission."""
    from ..structures.run_files import RESULTS_NAME, ZIP_NAME, checkpoint_of, newest

    config, run = write_config(bench, 'format-only', 1), bench.folder / 'format-only'
    bench.run_tool('train.py', config, '--work-dir', run)
    bench.run_tool('test.py', config, checkpoint_of(run), '--format-only', '--work-dir', run)
    results, zipped = newest(run, RESULTS_NAME), newest(run, ZIP_NAME)
    if results is None or zipped is None:
        return Answer('fail', f'test.py --format-only left no {RESULTS_NAME} with its {ZIP_NAME}', 'report it')
    number = len(json.loads(results.read_text()))
    return Answer('ok', f'{number} predictions, {ZIP_NAME} of {zipped.stat().st_size} bytes', figures={'masks': number})


def benchmark(bench: Bench, case: str) -> Answer:
    """A case of benchmark.py against stock MMDetection; slower than the aims is a warning."""
    out = bench.folder / f'{case}.json'
    bench.run_tool('analysis_tools/benchmark.py', case, '--json', out, *['--quick'] * bench.tiny)
    rows = json.loads(out.read_text())
    short = [
        row['what']
        for row in rows
        if row.get('times faster', 2) < (2 if row['what'].startswith('densest') else 1)
        or row.get('ours waits', 0) > MOST_WAITING
    ]
    text = '; '.join(f'{row["what"]}: {row["times faster"]:.3g} × stock' for row in rows if 'times faster' in row)
    if short and not bench.tiny:
        advice = f'the aims are 1 × (dense 2 ×) and waits under {MOST_WAITING:.0%}: {"; ".join(short)}'
        return Answer('warning', text, advice, {'rows': rows})
    return Answer('ok', text, figures={'rows': rows})
