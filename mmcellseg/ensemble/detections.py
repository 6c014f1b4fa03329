"""One image's detections of all members, as arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..structures.masks import InstanceMasks
from ..structures.ragged import ragged_arange


@dataclass(frozen=True, eq=False)
class Detections:
    """N detections of one image by any number of members."""

    height: int  # px of the image
    width: int
    bboxes: np.ndarray  # (N, 4) xywh in px, as the predictions files have them
    scores: np.ndarray  # (N,) float64
    labels: np.ndarray  # (N,) category ids
    members: np.ndarray  # (N,) which member made it
    indices: np.ndarray  # (N,) its place among the member's detections of this image
    rles: Sequence[dict[str, Any]]

    @classmethod
    def from_entries(cls, entries: Sequence[Sequence[Mapping[str, Any]]], height: int, width: int) -> 'Detections':
        """Join the entries that each member's predictions file has for the image."""
        flat = [entry for of_member in entries for entry in of_member]
        lengths = [len(of_member) for of_member in entries]
        return cls(
            height,
            width,
            np.array([e['bbox'] for e in flat], np.float64).reshape(-1, 4),
            np.array([e['score'] for e in flat], np.float64),
            np.array([e['category_id'] for e in flat], np.int64),
            np.repeat(np.arange(len(entries)), lengths),
            ragged_arange(np.array(lengths, np.int64)),
            [e['segmentation'] for e in flat],
        )

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, chosen: np.ndarray | slice) -> 'Detections':
        """The detections of an index array, bool array or slice, in its order."""
        arrays = {k: getattr(self, k)[chosen] for k in ('bboxes', 'scores', 'labels', 'members', 'indices')}
        return replace(self, **arrays, rles=[self.rles[i] for i in np.arange(len(self))[chosen].tolist()])

    @property
    def boxes(self) -> np.ndarray:
        """(N, 4) xyxy in px."""
        return np.concatenate([self.bboxes[:, :2], self.bboxes[:, :2] + self.bboxes[:, 2:]], axis=1)

    @cached_property
    def masks(self) -> InstanceMasks:
        """The masks in box-local form, decoded at the first use."""
        return InstanceMasks.from_rles(self.rles, self.height, self.width)

    def with_masks(self, masks: InstanceMasks, chosen: np.ndarray | None = None) -> 'Detections':
        """Detections whose masks, RLEs and boxes (the tight ones) come from ``masks``.

        With ``chosen`` (N,) bool only those are exchanged, and ``masks`` holds theirs.
        """
        places = np.arange(len(self))[slice(None) if chosen is None else chosen]
        rles, bboxes = list(self.rles), self.bboxes.copy()
        tight = masks.tight_boxes().astype(np.float64)
        bboxes[places] = np.concatenate([tight[:, :2], tight[:, 2:] - tight[:, :2]], axis=1)
        for i, rle in zip(places.tolist(), masks.to_rles(), strict=True):
            rles[i] = rle
        return replace(self, rles=rles, bboxes=bboxes)

    def ranked(self) -> 'Detections':
        """Sorted by score, the highest first; equal scores by member, then index."""
        return self[np.lexsort((self.indices, self.members, -self.scores))]

    def to_entries(self, image_id: int) -> list[dict[str, Any]]:
        """Entries of a predictions file, in the order of the detections."""
        rows = zip(self.bboxes.tolist(), self.scores.tolist(), self.labels.tolist(), self.rles, strict=True)
        return [
            {'image_id': image_id, 'bbox': box, 'score': score, 'category_id': label, 'segmentation': rle}
            for box, score, label, rle in rows
        ]
