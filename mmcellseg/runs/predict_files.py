"""A list of images through a predictor, into files: a claim for each, its outputs whole or absent, then its summary."""

import errno
import json
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from ..data.tiff import ImageReadError
from ..export.overlay import LONGEST, OverlayWriter
from ..slides.work_list import SUMMARY_SUFFIX, Item, WorkListError, check_folder, claim
from ..structures.files import atomic_write
from .predictor import Predictor

_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass
class Outcome:
    """What became of a list: images that were predicted, that were finished before, that others have, that failed."""

    predicted: list[Item] = field(default_factory=list)
    finished: list[Item] = field(default_factory=list)
    claimed: list[tuple[Item, str]] = field(default_factory=list)
    failed: list[tuple[Item, str]] = field(default_factory=list)

    def lines(self) -> list[str]:
        """For people: a line that counts, and one for each image that is not done."""
        parts: dict[str, Sequence] = {'predicted': self.predicted, 'finished before': self.finished}
        parts |= {'claimed by other processes': self.claimed, 'failed': self.failed}
        counts = ', '.join(f'{len(found)} {name}' for name, found in parts.items() if found)
        lines = [counts or 'no images']
        lines += [f'{item.path} is claimed by {owner}' for item, owner in self.claimed]
        if self.claimed:
            lines.append('If such a process is gone, run again with --take-stale MINUTES, how long it has been silent')
        return lines + [f'failed: {message}' for _, message in self.failed]


def predict_file(
    predictor: Predictor, item: Item, out: Path, writers: Mapping[str, Any], bar: Callable[[int, int, int], None]
) -> int:
    """Predict one image into its files, the summary last, and return the number of cells."""
    numbers: Counter[int] = Counter()
    areas: list[np.ndarray] = []
    target, classes = out / item.name, predictor.classes
    target.parent.mkdir(parents=True, exist_ok=True)
    with predictor.open(item.path) as image, ExitStack() as stack:
        plan, mpp = predictor.plan(image), image.mpp or predictor.image_mpp
        size = image.height, image.width
        opened = {}
        for writer in writers.values():
            path = target.with_name(target.name + writer.suffix)
            if writer is not OverlayWriter:
                opened[path.name] = stack.enter_context(writer(path, *size, classes, mpp=mpp))
            elif max(size) <= LONGEST:
                opened[path.name] = stack.enter_context(writer(path, image.read((0, 0, *size[::-1])), classes))
        for cells in predictor.stream(image, plan, bar):
            for file in opened.values():
                file.write(cells)
            numbers.update(cells.labels.tolist())
            areas.append(cells.masks.areas)
    summary = {
        'image': str(item.path),
        'height': size[0],
        'width': size[1],
        'mpp': mpp,
        'resampled': plan.factor,
        'tiles': len(plan.grid),
        'cells': numbers.total(),
        'classes': {c.name: numbers[c.id] for c in classes},
        'median_area_px2': float(np.median(np.concatenate(areas))) if areas else None,
        'outputs': list(opened),
    }
    atomic_write(target.with_name(target.name + SUMMARY_SUFFIX), json.dumps(summary, indent=1) + '\n')
    return numbers.total()


def predict_files(
    predictor: Predictor,
    items: Sequence[Item],
    out: Path,
    formats: Mapping[str, Any],
    settings: Mapping[str, Any],
    stale_minutes: float | None = None,
) -> Outcome:
    """Predict the images that are not finished and that no other process has.

    Args:
        predictor: The model.
        items: The list; any number of processes may share it.
        out: The output folder, shared by them.
        formats: Writer of each format, by name.
        settings: What the outputs depend on; a folder of other settings is refused.
        stale_minutes: See :func:`~mmcellseg.slides.work_list.claim`.

    Raises:
        WorkListError: The folder is that of another run, or its disk is full.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        check_folder(out, {**settings, 'to': sorted(formats)})
        return _predict_all(predictor, items, out, formats, stale_minutes)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise WorkListError(f'{out}: the disk is full; what was finished stays: make room and run again') from error


def _predict_all(
    predictor: Predictor, items: Sequence[Item], out: Path, formats: Mapping[str, Any], stale_minutes: float | None
) -> Outcome:
    outcome, begun = Outcome(), time.monotonic()
    for number, item in enumerate(items, 1):
        taken = claim(out, item, stale_minutes)
        if taken is None:
            outcome.finished.append(item)
            continue
        if isinstance(taken, str):
            outcome.claimed.append((item, taken))
            continue
        start = time.monotonic()
        with taken:
            try:
                with tqdm(desc=item.name, unit='tile', leave=False) as bar:
                    cells = predict_file(predictor, item, out, formats, partial(_show, bar))
            except Exception as error:
                if isinstance(error, OSError) and error.errno in _FULL:
                    raise
                if not isinstance(error, ImageReadError | OSError | MemoryError | torch.OutOfMemoryError):
                    tqdm.write(traceback.format_exc())  # of a model that cannot take this image; others may do
                text = ' '.join(str(error).split()) or type(error).__name__
                outcome.failed.append((item, text if str(item.path) in text else f'{item.path}: {text}'))
                tqdm.write(f'{number}/{len(items)} {item.name}: failed')
                continue
        outcome.predicted.append(item)
        now = time.monotonic()
        left = tqdm.format_interval((now - begun) / len(outcome.predicted) * (len(items) - number))
        tqdm.write(f'{number}/{len(items)} {item.name}: {cells} cells in {now - start:.1f} s, about {left} left')
    for message in predictor.caps_reached():
        tqdm.write(message)
    return outcome


def _show(bar: tqdm, done: int, total: int, cells: int) -> None:
    bar.total = total
    bar.set_postfix(cells=cells, refresh=False)
    bar.update(done - bar.n)
