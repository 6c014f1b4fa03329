"""A zip of ImageJ ROIs, one a cell."""

import struct
import zipfile
from collections.abc import Generator
from itertools import pairwise

import numpy as np
from roifile import ROI_OPTIONS, ROI_TYPE, ImagejRoi

from ..structures.files import atomic_open
from .cells import Cells
from .outlines import trace
from .writer import Writer

_LARGEST = 60_535  # ImageJ takes larger 16-bit coordinates for negative ones


class ImagejRoiWriter(Writer):
    """Cells of one ring are traced ROIs, as ImageJ's wand makes them, others composite ones; all run on pixel edges.

    The file is that of ImageJ's ROI manager. A ROI's name is the cell's number, class and score, its colour and group
    are those of the class. Cells without pixels are left out.
    """

    suffix = '.rois.zip'

    def _open(self) -> Generator[None, None, None]:
        self._traced = {label: self._roi(label, ROI_TYPE.TRACED).tobytes() for label in self.classes}
        with atomic_open(self.path) as file, zipfile.ZipFile(file, 'w') as self._zip:
            yield

    def _roi(self, label: int, kind: ROI_TYPE, name: str = '') -> ImagejRoi:
        group = list(self.classes).index(label) + 1
        color = bytes([255, *self.classes[label].color])
        options = ROI_OPTIONS.OVERLAY_LABELS
        return ImagejRoi(
            roitype=kind, name=name, group=group if group < 256 else 0, stroke_color=color, options=options
        )

    def _write(self, cells: Cells, first: int) -> None:
        outlines = trace(cells.masks)
        if not len(outlines.owner):
            return
        rings = np.flatnonzero(np.diff(outlines.owner, prepend=-1, append=len(cells)))  # where each cell's begin
        begins = outlines.starts[rings]
        low, high = (f.reduceat(outlines.vertices, begins[:-1]) for f in (np.minimum, np.maximum))
        inside = (outlines.vertices - np.repeat(low, np.diff(begins), axis=0)).astype('>i2')
        labels, scores = cells.labels.tolist(), cells.scores.tolist()
        owners, sides = outlines.owner[rings[:-1]].tolist(), np.concatenate([low, high], axis=1).tolist()
        for k, (left, top, right, bottom), (a, b), (start, end) in zip(
            owners, sides, pairwise(rings.tolist()), pairwise(begins.tolist())
        ):
            name = f'{first + k:07d} {self.classes[labels[k]].name} {scores[k]:.3f}'
            if b == a + 1 and max(right, bottom) <= _LARGEST and max(right - left, bottom - top, end - start) < 1 << 15:
                roi = _filled(self._traced[labels[k]], (top, left, bottom, right), inside[start:end], name)
            else:
                composite = self._roi(labels[k], ROI_TYPE.RECT, name)
                composite.left, composite.top, composite.right, composite.bottom = left, top, right, bottom
                composite.multi_coordinates = _path(outlines.vertices, outlines.starts[a : b + 1].tolist())
                composite.shape_roi_size = len(composite.multi_coordinates)
                roi = composite.tobytes()
            # Number alone: a class's name may hold what a file's name may not. No date: the same bytes each time.
            self._zip.writestr(zipfile.ZipInfo(f'{first + k:07d}.roi'), roi)


def _filled(empty: bytes, sides: tuple[int, ...], corners: np.ndarray, name: str) -> bytes:
    """The bytes that roifile makes of a traced ROI without corners and name, with these.

    Most of a slide's time would go into roifile's checks and conversions of single numbers.

    Args:
        empty: Header of 64 bytes, second header of 64 bytes.
        sides: Top, left, bottom, right in px.
        corners: (K, 2) big-endian int16 xy from (left, top).
        name: Shown by ImageJ.
    """
    second, words = 64 + 4 * len(corners), name.encode('utf-16-be')
    numbers = struct.pack('>4HH', *sides, len(corners)), struct.pack('>i', second)
    named = struct.pack('>ii', second + 64, len(words) // 2)
    return b''.join(
        (empty[:8], numbers[0], empty[18:60], numbers[1], corners.tobytes('F'), empty[64:80], named, empty[88:], words)
    )


def _path(vertices: np.ndarray, starts: list[int]) -> np.ndarray:
    """Rings in the codes of java.awt.geom.PathIterator: 0 moves to a point, 1 draws a line to it, 4 closes."""
    parts = []
    for a, b in pairwise(starts):
        steps = np.insert(vertices[a:b], 0, 1, axis=1)
        steps[0, 0] = 0
        parts += [*steps.ravel().tolist(), 4]
    return np.array(parts, np.float32)
