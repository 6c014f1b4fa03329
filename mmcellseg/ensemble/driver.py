"""Merging predictions files: an image at a time, over several processes, checked, written when all went well."""

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tqdm import tqdm

from ..structures.processes import map_forked
from ..structures.results import Entry, write_results
from .detections import Detections
from .fusion import Fusion
from .members import ImageSet, Member, open_members, read_checked, refuse_corners


class Merged(NamedTuple):
    """What was merged: images, entries read, entries with an empty mask (left out), entries written."""

    images: int
    read: int
    empty: int
    written: int


def merge_files(
    members: Sequence[Member],
    fusion: Fusion,
    images: ImageSet,
    out: str | os.PathLike,
    workers: int = 1,
    progress: bool = True,
) -> Merged:
    """Merge the members' predictions files into ``out``, which appears only if every entry was in order.

    The bytes do not depend on ``workers``. Memory holds a process's current image and each file's index. Raises
    ``ResultsError`` for files that cannot be merged, ``RuntimeError`` for a process that was killed. Empty masks are
    left out and counted.
    """
    files = open_members(members, images)
    names, weights = [member.name for member in members], [member.weight for member in members]

    def merge(image_id: int) -> tuple[list[Entry], int, int, list[tuple[int, int]]]:
        """An image's merged entries, entries read, those of them with an empty mask, and each file's form of boxes."""
        checked = [read_checked(file, image_id, images) for file in files]
        detections = Detections.from_entries([one.entries for one in checked], *images.sizes[image_id])
        empty = sum(one.empty for one in checked)
        merged = fusion(detections, names, weights).to_entries(image_id)
        return merged, len(detections) + empty, empty, [one.form for one in checked]

    read = empty = 0

    def entries() -> Iterator[Entry]:
        nonlocal read, empty
        forms = []
        outcomes = map_forked(merge, sorted(images.sizes), workers)
        bar = tqdm(outcomes, 'merge', len(images.sizes), unit='image', disable=not progress)
        for merged, number, blank, of_files in bar:
            read, empty = read + number, empty + blank
            forms.append(of_files)
            yield from merged
        for file, of_file in zip(files, zip(*forms)):
            refuse_corners(file.path, of_file)

    written = write_results(out, entries())
    return Merged(len(images.sizes), read, empty, written)
