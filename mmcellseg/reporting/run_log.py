"""A run as its logs tell it: losses and metrics by epoch, and the checkpoint that was chosen.

All comes from the run's folder: mmengine's ``<timestamp>/vis_data/scalars.json`` (several, if the run was resumed),
the name of the best checkpoint, and ``record.json``.
"""

import json
import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
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
    """The curves of a run; each a list of (epoch, value) in ascending epochs.

    ``train_loss`` is the mean of what was logged in an epoch, itself a running mean over some iterations; ``chosen``
    the epoch of the checkpoint that was chosen: the best one or, without validation, the last.
    """

    name: str
    train_loss: Points = field(default_factory=list)
    val_loss: Points = field(default_factory=list)
    train_ap: Points = field(default_factory=list)
    val_ap: Points = field(default_factory=list)
    chosen: float | None = None


def read_scalars(path: str | os.PathLike) -> list[dict[str, Any]]:
    """The lines of a log; half a line at its end, which a killed run leaves, is left out, elsewhere refused."""
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


def join(logs: Iterable[Sequence[dict[str, Any]]]) -> tuple[dict[float, list[float]], dict[float, dict]]:
    """By epoch the logged losses and the metrics of the validation, from the logs of a run's starts.

    What a later start trained again replaces the earlier.
    """
    losses: dict[float, list[float]] = {}
    validations: dict[float, dict] = {}
    for log in logs:
        if starts := [line['epoch'] for line in log if 'loss' in line]:
            losses = {x: v for x, v in losses.items() if x < starts[0]}
            validations = {x: v for x, v in validations.items() if x < starts[0]}
        for line in log:
            if 'loss' in line:
                losses.setdefault(line['epoch'], []).append(line['loss'])
            elif line.get('step', 0) > 0:  # 0 is a validation of its own, without training
                validations[line['step']] = {key: v for key, v in line.items() if '/' in key or 'loss' in key}
    return losses, validations


def _chosen_epoch(folder: Path, metric: str) -> float | None:
    """Epoch of the best checkpoint, by its name or the run's record; or of the last one."""
    best = best_checkpoints(folder, metric)
    if best and (found := re.search(r'_epoch_(\d+)\.pth$', best[-1].name)):
        return float(found[1])
    with suppress(RecordError, KeyError, TypeError):
        return float(read_record(folder)['metrics']['best']['epoch'])
    last = folder / 'last_checkpoint'
    found = re.search(r'epoch_(\d+)\.pth$', last.read_text().strip()) if last.is_file() else None
    return float(found[1]) if found else None


def read_run(run: str | os.PathLike, metric: str = 'segm_AP50') -> Run:
    """The curves of a run's folder. ``metric`` is a key of the validation metrics without its prefix.

    Raises ``RunLogError`` if there is no log, or nothing to draw in it, or validations without this metric.
    """
    folder = Path(run)
    if not folder.is_dir():
        raise RunLogError(f'{run}: there is no such folder; give the folder of a run, work_dirs/NAME')
    files = sorted(folder.glob('*/vis_data/scalars.json'))  # of each start, oldest first
    if not files:
        raise RunLogError(
            f'{run}: holds no */vis_data/scalars.json, which training writes; give the folder of a run (the one of its '
            'checkpoints), trained with a LocalVisBackend'
        )
    logs = [read_scalars(file) for file in files]
    if any('loss' in line and 'epoch' not in line for log in logs for line in log):
        raise RunLogError(f'{run}: its log counts iterations; curves are of runs that count epochs')
    losses, validations = join(logs)
    if not losses and not validations:
        raise RunLogError(f'{run}: neither a training step nor a validation is in {files[-1]}: nothing to draw yet')
    out = Run(folder.resolve().name, chosen=_chosen_epoch(folder, metric))
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
