"""The cells that a prediction ends in: what every writer of this folder takes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..structures.masks import InstanceMasks


@dataclass(frozen=True)
class CellClass:
    """A class of cells: its category id in files, its name, and its colour as RGB from 0 to 255."""

    id: int
    name: str
    color: tuple[int, int, int] = (220, 20, 60)


@dataclass(frozen=True, eq=False)
class Cells:
    """N cells of one image or slide, or a batch of them, in px of the whole image.

    Args:
        boxes: (N, 4) float64 xyxy.
        scores: (N,) float64.
        labels: (N,) int64 category ids.
        masks: N masks; their height and width are the image's.
        classes: The classes in the order of the model's outputs.
        agreement: (N,) float64, of an ensemble: how well its members agree, from 0 to 1.
        mpp: Size of a pixel in µm; None where it is not known.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    masks: InstanceMasks
    classes: tuple[CellClass, ...] = field(default=())
    agreement: np.ndarray | None = None
    mpp: float | None = None

    @property
    def height(self) -> int:
        """Of the image in px."""
        return self.masks.height

    @property
    def width(self) -> int:
        """Of the image in px."""
        return self.masks.width

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, chosen: np.ndarray | slice) -> 'Cells':
        """The cells of an index array, bool array or slice, in its order."""
        chosen = np.arange(len(self))[chosen]
        return replace(
            self,
            boxes=self.boxes[chosen],
            scores=self.scores[chosen],
            labels=self.labels[chosen],
            masks=self.masks[chosen],
            agreement=None if self.agreement is None else self.agreement[chosen],
        )

    def to_label_map(self) -> np.ndarray:
        """(H, W) int32: the cell's index + 1, 0 for background; where cells overlap, the one of the highest score.

        Of equal scores the first cell is on top.
        """
        label_map = np.zeros((self.height, self.width), np.int32)
        order = np.lexsort((np.arange(len(self)), -self.scores))[::-1]
        windows, boxes = self.masks.windows(), self.masks.boxes.tolist()
        for i in order.tolist():
            x1, y1, x2, y2 = boxes[i]
            label_map[y1:y2, x1:x2][windows[i] != 0] = i + 1
        return label_map

    def to_rles(self) -> list[dict]:
        """COCO RLEs of the masks."""
        return self.masks.to_rles()

    def to_geojson(self) -> dict[str, Any]:
        """A GeoJSON FeatureCollection as QuPath reads it, one feature a cell."""
        from .geojson import features

        return {'type': 'FeatureCollection', 'features': list(features(self))}


def join(parts: Sequence[Cells]) -> Cells:
    """The cells of batches of one image, in their order; agreement stays where all have it."""
    agreement = [part.agreement for part in parts if part.agreement is not None]
    rated = all(part.agreement is not None or not len(part) for part in parts)
    return replace(
        parts[0],
        boxes=np.concatenate([part.boxes for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        masks=InstanceMasks.cat([part.masks for part in parts]),
        agreement=np.concatenate(agreement) if agreement and rated else None,
    )
