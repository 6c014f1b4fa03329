"""The image with the outlines of its cells and the names of their classes, as a PNG."""

import os
from collections.abc import Sequence

import cv2
import numpy as np

from ..reporting.overlay import draw_overlay
from ..structures.files import atomic_write
from .cells import CellClass, Cells, join

LONGEST = 4000  # px of the longer side: a larger image is looked at in a viewer


class OverlayWriter:
    """Draws all cells at the end, the most confident on top, each in the colour of its class.

    Args:
        path: The PNG.
        image: RGB uint8 (H, W, 3).
        classes: For their names and colours.
    """

    suffix = '.overlay.png'

    def __init__(self, path: str | os.PathLike, image: np.ndarray, classes: Sequence[CellClass]) -> None:
        self.path, self.image, self.classes = path, image, classes
        self._parts: list[Cells] = []

    def write(self, cells: Cells) -> None:
        """Take a batch of cells."""
        self._parts.append(cells)

    def __enter__(self) -> 'OverlayWriter':
        return self

    def __exit__(self, kind: type | None, *error: object) -> None:
        if kind is not None:
            return
        colours, names = [c.color for c in self.classes], [c.name for c in self.classes]
        if self._parts:
            cells = join(self._parts)
            cells = cells[np.argsort(cells.scores, kind='stable')]
            place = {c.id: k for k, c in enumerate(self.classes)}
            labels = [place[label] for label in cells.labels.tolist()]
            drawn = draw_overlay(self.image, cells.masks, labels, colours, names)
        else:
            drawn = draw_overlay(self.image, [], [], colours, names)
        atomic_write(self.path, cv2.imencode('.png', cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))[1].tobytes())
