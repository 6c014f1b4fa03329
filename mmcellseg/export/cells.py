"""The cells that a prediction ends in: what every writer of this folder takes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    classes: tuple[CellClass, ...] = ()
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
        parts = {name: getattr(self, name)[chosen] for name in ('boxes', 'scores', 'labels', 'masks')}
        return replace(self, **parts, agreement=None if self.agreement is None else self.agreement[chosen])

    def to_label_map(self) -> np.ndarray:
        """(H, W) int32: the cell's index + 1, 0 for background; see :func:`paint`."""
        label_map = np.zeros((self.height, self.width), np.int32)
        paint(label_map, self.masks, self.scores, np.arange(1, len(self) + 1))
        return label_map

    def to_rles(self) -> list[dict]:
        """COCO RLEs of the masks."""
        return self.masks.to_rles()

    def to_geojson(self) -> dict[str, Any]:
        """A GeoJSON FeatureCollection as QuPath reads it, one feature a cell."""
        from .geojson import features

        return {'type': 'FeatureCollection', 'features': list(features(self))}


def paint(label_map: np.ndarray, masks: InstanceMasks, scores: np.ndarray, ids: np.ndarray, top: int = 0) -> None:
    """Write the ids of masks into the rows of a label map from ``top`` on.

    Where cells overlap, the one of the highest score is on top, of equal scores that of the least id.
    """
    foreground, starts, boxes = masks.bits != 0, masks.starts.tolist(), masks.boxes.tolist()
    values = ids.astype(label_map.dtype)
    for k in np.lexsort((ids, -scores))[::-1].tolist():
        x1, y1, x2, y2 = boxes[k]
        first, last = max(y1, top), min(y2, top + len(label_map))
        if first < last:
            window = foreground[starts[k] : starts[k + 1]].reshape(y2 - y1, x2 - x1)
            label_map[first - top : last - top, x1:x2][window[first - y1 : last - y1]] = values[k]


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
