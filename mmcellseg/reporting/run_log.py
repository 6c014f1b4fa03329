"""A run as its logs tell it: losses and metrics by epoch or iteration, and the checkpoint that was chosen.

All comes from the run's folder: mmengine's ``<timestamp>/vis_data/scalars.json`` (several, if the run was resumed),
the name of the best checkpoint, and ``record.json``.
"""

import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..structures.run_files import best_checkpoints
from .records import RecordError, read_record

TRAIN_SPLIT = 'train_split'
Points = list[tuple[float, float]]


class RunLogError(ValueError):
    """Logs that cannot be read or drawn; the message names the folder or file."""


@dataclass
class Run:
    """The curves of a run; each a list of (position, value) in ascending positions.

    Attributes:
        unit: What positions count: 'epoch' or 'iteration'.
        train_loss: An epoch's is the mean of what was logged in it, itself a running mean over some iterations.
        chosen: Position of the checkpoint that was chosen: the best one or, without validation, the last.
    """

    name: str
    unit: str
    train_loss: Points = field(default_factory=list)
    val_loss: Points = field(default_factory=list)
    train_ap: Points = field(default_factory=list)
    val_ap: Points = field(default_factory=list)
    chosen: float | None = None


def read_scalars(path: str | os.PathLike) -> list[dict[str, Any]]:
    """The lines of a log; half a line at its end, which a killed run leaves, is left out.

    Raises:
        RunLogError: A line before the last is no JSON object.
    """
    lines: list[dict[str, Any]] = []
    broken = ''
    for number, text in enumerate(Path(path).read_text(errors='replace').split('\n'), 1):
        if not text.strip():
            continue
        if broken:
            raise RunLogError(broken)
        try:
            lines.append({**json.loads(text)})
        except (ValueError, TypeError):
            broken = f'{path}, line {number}: {text[:60]!r} is no JSON object: not a log of a run'
    return lines


def log_files(run: str | os.PathLike) -> list[Path]:
    """The logs of a run's folder, or of the folder of one start, oldest first; a log itself is taken as it is."""
    path = Path(run)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise RunLogError(f'{path}: there is no such folder; give the folder of a run, work_dirs/NAME')
    files = sorted([*path.glob('*/vis_data/scalars.json'), *path.glob('vis_data/scalars.json')])
    if not files:
        raise RunLogError(
            f'{path}: holds no */vis_data/scalars.json, which training writes; give the folder of a run (the one of '
            'its checkpoints), trained with a LocalVisBackend'
        )
    return files


def join(logs: Iterable[Sequence[dict[str, Any]]]) -> tuple[str, dict[float, list[float]], dict[float, dict]]:
    """Put the logs of a run's starts together; what a later one trained again replaces the earlier.

    Returns:
        The unit of positions; position -> logged losses; position -> metrics of the validation there. In runs
        counted in iterations mmengine writes validations with the epoch, 0: they are placed at the iteration logged
        before them.
    """
    logs = list(logs)
    unit = 'epoch' if all('epoch' in line for log in logs for line in log if 'loss' in line) else 'iteration'

    def position(line: dict[str, Any]) -> float:
        return line['epoch'] if unit == 'epoch' else line.get('iter', line.get('step', 0))

    losses: dict[float, list[float]] = {}
    validations: dict[float, dict] = {}
    for log in logs:
        if starts := [position(line) for line in log if 'loss' in line]:
            losses = {x: v for x, v in losses.items() if x < starts[0]}
            validations = {x: v for x, v in validations.items() if x < starts[0]}
        last = max(losses, default=0)
        for line in log:
            if 'loss' in line:
                last = position(line)
                losses.setdefault(last, []).append(line['loss'])
            elif metrics := {key: v for key, v in line.items() if '/' in key or 'loss' in key}:
                at = line.get('step', 0) if unit == 'epoch' else max(line.get('step', 0), last)
                if at > 0:  # 0 is a validation of its own, without training
                    validations[at] = metrics
    return unit, losses, validations


def _chosen_position(folder: Path, unit: str, metric: str) -> float | None:
    """Epoch or iteration of the best checkpoint, by its name or the run's record; or of the last one."""
    word = 'epoch' if unit == 'epoch' else 'iter'
    best = best_checkpoints(folder, metric)
    if best and (found := re.search(rf'_{word}_(\d+)\.pth$', best[-1].name)):
        return float(found[1])
    try:
        metrics = read_record(folder)['metrics']['best']
        if metrics and metrics.get(word):
            return float(metrics[word])
    except (RecordError, KeyError, TypeError):
        pass
    last = folder / 'last_checkpoint'
    found = re.search(rf'{word}_(\d+)\.pth$', last.read_text().strip()) if last.is_file() else None
    return float(found[1]) if found else None


def read_run(run: str | os.PathLike, metric: str = 'segm_AP50') -> Run:
    """Read the curves of a run.

    Args:
        run: Its folder (or one log of it).
        metric: A key of the validation metrics without its prefix.

    Raises:
        RunLogError: There is no log, or nothing to draw in it, or validations without this metric.
    """
    files = log_files(run)
    unit, losses, validations = join(map(read_scalars, files))
    if not losses and not validations:
        raise RunLogError(f'{run}: neither a training step nor a validation is in {files[-1]}: nothing to draw yet')
    folder = Path(run) if Path(run).is_dir() else Path(run).parent
    out = Run(folder.resolve().name, unit, chosen=_chosen_position(folder, unit, metric))
    out.train_loss = [(x, float(np.mean(values))) for x, values in sorted(losses.items())]
    for x, metrics in sorted(validations.items()):
        if 'val_loss' in metrics:
            out.val_loss.append((x, metrics['val_loss']))
        for key, value in metrics.items():
            prefix, _, name = key.rpartition('/')
            if name == metric:
                (out.train_ap if prefix == TRAIN_SPLIT else out.val_ap).append((x, value))
    if validations and not out.val_ap and not out.train_ap:
        known = sorted({key.rpartition('/')[2] for metrics in validations.values() for key in metrics})
        raise RunLogError(f'{run}: no metric {metric!r} was logged; there are {", ".join(known)}')
    return out
