"""Whether this machine can run the project: checks that each answer in a line."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from . import machine, packages
from .answer import Answer, ask, environment, show, write_report
from .gpu import run_gpu as run_gpu


def checks(work_dir: str, configs: Sequence[str | Path]) -> dict[str, Callable[[], Answer]]:
    """All checks by name, in the order in which one trouble explains the next."""
    return {
        'Python': packages.check_python,
        'torch': lambda: packages.as_pinned('torch', packages.check_torch()),
        'mmcv': lambda: packages.as_pinned('onedl-mmcv', packages.check_mmcv()),
        'mmdet': lambda: packages.as_pinned('onedl-mmdetection', packages.check_mmdet()),
        'OpenCV': packages.check_opencv,
        'TIFF': packages.check_codecs,
        'memory': machine.check_memory,
        'workers': machine.check_workers,
        'processes': machine.check_processes,
        'disk': partial(machine.check_disk, work_dir),
        'folders': lambda: machine.check_folders(work_dir, tempfile.gettempdir()),
        **{f'data {Path(config).stem}': partial(machine.check_data, config) for config in configs},
    }


def run(work_dir: str, configs: Sequence[str | Path], out: Path | None = None) -> dict[str, Answer]:
    """Show the answer of each check as it comes, and write them to ``out``."""
    answers = {name: show(name, ask(check)) for name, check in checks(work_dir, configs).items()}
    if out is not None:
        answers['report'] = show('report', ask(write_report, out, 'checks', answers.copy(), ask(environment).figures))
    return answers
