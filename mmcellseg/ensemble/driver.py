"""Merging predictions files: an image at a time, over several processes, checked, written when all went well."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, NamedTuple, TypeVar

import cv2
from tqdm import tqdm

from ..structures.results import Entry, write_results
from .detections import Detections
from .fusion import Fusion
from .members import ImageSet, Member, open_members, read_checked, refuse_corners

T = TypeVar('T')
R = TypeVar('R')


class Merged(NamedTuple):
    """What was merged: images, entries read, entries with an empty mask (left out), entries written."""

    images: int
    read: int
    empty: int
    written: int


class Outcome(NamedTuple):
    """One image's merged entries, entries read, those of them with an empty mask, and each file's form of boxes."""

    merged: list[Entry]
    read: int
    empty: int
    forms: list[tuple[int, int]]


_function: Callable | None = None


def _start(function: Callable) -> None:
    global _function
    _function = function
    cv2.setNumThreads(0)  # OpenCV's threads do not survive a fork


def _call(item: Any) -> Any:
    assert _function is not None
    return _function(item)


def map_forked(function: Callable[[T], R], items: Sequence[T], workers: int) -> Iterator[R]:
    """``map(function, items)`` in this process, or in several that fork from it: only items and results are sent.

    Raises:
        RuntimeError: A process was killed.
    """
    if workers <= 1:
        yield from map(function, items)
        return
    # Not multiprocessing.Pool: it waits for ever for a process that was killed.
    with ProcessPoolExecutor(workers, get_context('fork'), initializer=_start, initargs=(function,)) as pool:
        try:
            yield from pool.map(_call, items)
        except BrokenProcessPool as error:
            raise RuntimeError(
                f'one of {workers} merging processes was killed, often because memory ran out: nothing was written; '
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
        RuntimeError: As ``map_forked``.
    """
    files = open_members(members, images)
    names, weights = [member.name for member in members], [member.weight for member in members]

    def merge(image_id: int) -> Outcome:
        checked = [read_checked(file, image_id, images) for file in files]
        detections = Detections.from_entries([one.entries for one in checked], *images.sizes[image_id])
        empty = sum(one.empty for one in checked)
        merged = fusion(detections, names, weights).to_entries(image_id)
        return Outcome(merged, len(detections) + empty, empty, [one.form for one in checked])

    read = empty = 0

    def entries() -> Iterator[Entry]:
        nonlocal read, empty
        forms = []
        outcomes = map_forked(merge, sorted(images.sizes), workers)
        for outcome in tqdm(outcomes, 'merge', len(images.sizes), unit='image', disable=not progress):
            read, empty = read + outcome.read, empty + outcome.empty
            forms.append(outcome.forms)
            yield from outcome.merged
        for file, of_file in zip(files, zip(*forms)):
            refuse_corners(file.path, of_file)

    written = write_results(out, entries())
    return Merged(len(images.sizes), read, empty, written)
