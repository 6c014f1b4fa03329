"""Instances as columns: what ground truth and predictions have in common."""

import math
import reprlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..structures.masks import InstanceMasks
from ..structures.ragged import offsets, ragged_arange
from ..structures.rle import counts_to_windows, strings_to_counts


class EvaluationError(ValueError):
    """Input that cannot be evaluated; the message names the file and the entry."""


def short(value: Any) -> str:
    """A value as it is shown in a message."""
    return reprlib.repr(value)


def whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def numbers(values: Any, count: int) -> bool:
    """Whether these are ``count`` finite numbers."""
    if not isinstance(values, list | tuple | np.ndarray) or len(values) != count:
        return False
    try:
        return all(map(math.isfinite, values))
    except (OverflowError, TypeError):  # an integer beyond all floats; no number
        return False


def rle_problem(rle: Any, size: tuple[int, int]) -> str | None:
    if not isinstance(rle, Mapping) or 'size' not in rle or not isinstance(rle.get('counts'), str | bytes):
        return f'segmentation {short(rle)}, expected an RLE with size and compressed counts'
    if not numbers(rle['size'], 2) or tuple(rle['size']) != size:
        return f'RLE of size {short(rle["size"])}, expected {list(size)}, the height and width of its image'
    return None


def decode(rles: Sequence[Mapping], where: str) -> tuple[np.ndarray, np.ndarray]:
    """Run lengths of RLEs as :func:`~mmcellseg.structures.rle.strings_to_counts`; one that is broken is refused."""
    try:
        counts, splits = strings_to_counts([rle['counts'] for rle in rles])
    except ValueError as error:
        raise EvaluationError(f'{where} (counted from 0): {error}') from error
    covered = np.diff(offsets(counts)[splits])
    expected = np.array([rle['size'] for rle in rles], np.int64).reshape(-1, 2).prod(1)
    for i in np.flatnonzero(covered != expected)[:1]:
        raise EvaluationError(f'{where} {i}: the RLE covers {covered[i]} px, expected {expected[i]}')
    return counts, splits


class Instances:
    """Instances as columns, with the rows of each image.

    Attributes: ``image_ids`` and ``category_ids`` (N,) int64, ``boxes`` (N, 4) xywh px, ``runs`` (the decoded masks,
    see :func:`decode`, or None).
    """

    images: dict[int, tuple[int, int]]
    image_ids: np.ndarray
    category_ids: np.ndarray
    boxes: np.ndarray
    runs: tuple[np.ndarray, np.ndarray] | None
    _last: tuple[int, InstanceMasks] | None = None

    @cached_property
    def _rows(self) -> dict[int, np.ndarray]:
        order = np.argsort(self.image_ids, kind='stable')
        unique, first = np.unique(self.image_ids[order], return_index=True)
        return dict(zip(unique.tolist(), np.split(order, first[1:]))) if len(order) else {}

    def __len__(self) -> int:
        return len(self.image_ids)

    def rows(self, image_id: int) -> np.ndarray:
        """Row numbers of one image, ascending."""
        return self._rows.get(image_id, np.zeros(0, np.int64))

    def masks(self, image_id: int) -> InstanceMasks:
        """The masks of one image in the order of ``rows``.

        Those of the last image alone are kept: every figure goes through the images once, and decoding is a few
        percent of the work on an image, while the pixels of all images would grow with the data set.
        """
        if self.runs is None:
            raise EvaluationError('there are no masks: boxes alone can be evaluated with metrics=["bbox"]')
        if self._last is None or self._last[0] != image_id:
            counts, splits = self.runs
            rows = self.rows(image_id)
            lengths = np.diff(splits)[rows]
            counts = counts[np.repeat(splits[rows], lengths) + ragged_arange(lengths)]
            height, width = self.images[image_id]
            windows = counts_to_windows(counts, offsets(lengths), height)
            self._last = image_id, InstanceMasks(height, width, *windows)
        return self._last[1]
