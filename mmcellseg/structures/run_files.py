"""What lies in the folder of a run: its record, its checkpoints, its predictions."""

import json
import os
from datetime import datetime
from pathlib import Path

RECORD_NAME = 'record.json'
RESULTS_NAME = 'test-results.json'
METRICS_NAME = 'metrics.json'
VALIDATION_NAME = 'val-results.json'
ENSEMBLE_NAME = 'ensemble.json'
ZIP_NAME = 'submission.zip'


def began(folder: str | os.PathLike) -> datetime:
    """When a run began, by its record; of a run without one, when its folder last changed."""
    try:
        started = json.loads((Path(folder) / RECORD_NAME).read_text())['time']['started']
        return datetime.fromisoformat(started).astimezone()  # a time without a zone is this machine's
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return datetime.fromtimestamp(Path(folder).stat().st_mtime).astimezone()


def newest(folder: str | os.PathLike, name: str) -> Path | None:
    """The file ``name`` of the newest run in a folder of runs (``<timestamp>/``), None if no run has one.

    By time, not by name: clocks differ between machines, and folders may be renamed.
    """
    return max(Path(folder).glob(f'*/{name}'), key=lambda path: began(path.parent), default=None)


def best_checkpoints(folder: str | os.PathLike, metric: str = '') -> list[Path]:
    """The best checkpoints of a run, those chosen by ``metric`` last, and of these the newest last."""
    return sorted(Path(folder).glob('best_*.pth'), key=lambda path: (metric in path.name, path.stat().st_mtime))


def checkpoint_of(folder: str | os.PathLike) -> Path:
    """The best checkpoint of a run, or where none was chosen the last one; ``FileNotFoundError`` without either."""
    folder = Path(folder)
    found = best_checkpoints(folder)
    pointer = folder / 'last_checkpoint'
    if not found and pointer.is_file():
        last = Path(pointer.read_text().strip())
        # The one in the folder first: it may have been copied or renamed since.
        found = [path for path in (last, folder / last.name) if path.is_file()]
    if not found:
        raise FileNotFoundError(f'{folder}: no checkpoint: neither best_*.pth nor the one that last_checkpoint names')
    return found[-1]


def has_checkpoint(folder: str | os.PathLike) -> bool:
    """Whether :func:`checkpoint_of` finds one."""
    try:
        checkpoint_of(folder)
    except FileNotFoundError:
        return False
    return True
