"""Merging predictions files: an image at a time, over several processes, checked, written when all went well."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from ..structures.results import ResultsFile, write_results
from .detections import Detections
from .fusion import Fusion
from .members import Form, ImageSet, Member, open_members, read_checked


class Merged(NamedTuple):
    """What was merged: images, entries read, entries with an empty mask (left out), entries written."""

    images: int
    read: int
    empty: int
    written: int


class Outcome(NamedTuple):
    """One image's merged entries, entries read, those of them with an empty mask, and the form of each file's boxes."""

    merged: list[dict[str, Any]]
    read: int
    empty: int
    forms: list[Form]


class _Work(NamedTuple):
    """All that a process needs to merge an image."""

    files: list[ResultsFile]
    fusion: Fusion
    names: list[str]
    weights: np.ndarray
    images: ImageSet

    def merge(self, image_id: int) -> Outcome:
        """The merged entries of one image."""
        read = [read_checked(file, image_id, self.images) for file in self.files]
        detections = Detections.from_entries([checked.entries for checked in read], *self.images.sizes[image_id])
        merged = self.fusion(detections, self.names, self.weights)
        empty = sum(checked.empty for checked in read)
        forms = [checked.form for checked in read]
        return Outcome(list(merged.to_entries(image_id)), len(detections) + empty, empty, forms)


_work: _Work | None = None


def _start(work: _Work) -> None:
    global _work
    _work = work
    cv2.setNumThreads(0)  # OpenCV's threads do not survive a fork


def _merge_image(image_id: int) -> Outcome:
    assert _work is not None
    return _work.merge(image_id)


def _run(work: _Work, workers: int) -> Iterator[Outcome]:
    """Every image's outcome in the order of the ids, whatever the number of processes."""
    image_ids = sorted(work.images.sizes)
    if workers <= 1:
        yield from map(work.merge, image_ids)
        return
    # Not multiprocessing.Pool: it waits for ever for a process that was killed.
    with ProcessPoolExecutor(workers, get_context('fork'), initializer=_start, initargs=(work,)) as pool:
        try:
            yield from pool.map(_merge_image, image_ids)
        except BrokenProcessPool as error:
            raise RuntimeError(
                f'one of {workers} merging processes was killed, often for want of memory: nothing was written; '
                'use fewer workers'
            ) from error


def merge_files(
    members: Sequence[Member],
    fusion: Fusion,
    images: ImageSet,
    out: str | os.PathLike,
    workers: int = 1,
    progress: bool = True,
) -> Merged:
    """Merge the members' predictions files into ``out``, which appears only if every entry was in order.

    The bytes do not depend on ``workers``. Memory holds a process's current image and each file's index.

    Raises:
        ResultsError: As ``open_members``; an entry that breaks a rule of ``examine`` (empty masks are left
            out instead, and counted); a file whose boxes fit its masks better as xyxy than as xywh.
        RuntimeError: A process was killed.
    """
    files = open_members(members, images)
    weights = np.array([member.weight for member in members], np.float64)
    work = _Work(files, fusion, [member.name for member in members], weights, images)
    read = empty = 0

    def entries() -> Iterator[dict[str, Any]]:
        nonlocal read, empty
        forms = [Form()] * len(files)
        outcomes = _run(work, workers)
        for outcome in tqdm(outcomes, 'merge', len(images.sizes), unit='image', disable=not progress):
            read, empty = read + outcome.read, empty + outcome.empty
            forms = [a + b for a, b in zip(forms, outcome.forms, strict=True)]
            yield from outcome.merged
        for file, form in zip(files, forms, strict=True):
            form.refuse_corners(file.path)

    written = write_results(out, entries())
    return Merged(len(images.sizes), read, empty, written)
