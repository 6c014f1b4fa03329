"""Instances as columns: what ground truth and predictions have in common."""

from functools import cached_property

import numpy as np

from ..structures.masks import InstanceMasks
from ..structures.ragged import offsets, positions, ragged_arange
from ..structures.rle import counts_to_windows


class EvaluationError(ValueError):
    """Input that cannot be evaluated; the message names the file and the entry."""


class Instances:
    """Instances as columns, with the rows of each image."""

    images: dict[int, tuple[int, int]]  # id → h, w in px
    image_ids: np.ndarray  # (N,) int64
    category_ids: np.ndarray  # (N,) int64
    boxes: np.ndarray  # (N, 4) xywh px
    runs: tuple[np.ndarray, np.ndarray] | None  # the decoded masks: counts and splits of rle.decode_rles
    _last: tuple[int, InstanceMasks] | None = None

    @cached_property
    def _rows(self) -> dict[int, np.ndarray]:
        return positions(self.image_ids)

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
        assert self.runs is not None, 'boxes alone were read'
        if self._last is None or self._last[0] != image_id:
            counts, splits = self.runs
            rows = self.rows(image_id)
            lengths = np.diff(splits)[rows]
            counts = counts[np.repeat(splits[rows], lengths) + ragged_arange(lengths)]
            height, width = self.images[image_id]
            self._last = image_id, InstanceMasks(height, width, *counts_to_windows(counts, offsets(lengths), height))
        return self._last[1]
