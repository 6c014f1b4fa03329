"""A zip of ImageJ ROIs, one a cell."""

from collections.abc import Generator
from itertools import pairwise

import numpy as np
from roifile import ROI_OPTIONS, ROI_TYPE, ImagejRoi

from ..structures.files import atomic_open
from .cells import Cells
from .outlines import trace
from .stored_zip import StoredZip
from .writer import Writer

_LARGEST = 60_535  # ImageJ takes larger 16-bit coordinates for negative ones
_HEADER = 64  # bytes of each of the two headers


class ImagejRoiWriter(Writer):
    """Cells of one ring are traced ROIs, as ImageJ's wand makes them, others composite ones; all run on pixel edges.

    The file is that of ImageJ's ROI manager. A ROI's name is the cell's number, class and score, its colour and group
    are those of the class. Cells without pixels are left out.
    """

    suffix = '.rois.zip'

    def _open(self) -> Generator[None, None, None]:
        self._row = {label: row for row, label in enumerate(self.classes)}
        traced = b''.join(self._roi(label, ROI_TYPE.TRACED).tobytes() for label in self.classes)
        self._empty = np.frombuffer(traced, np.uint8).reshape(-1, 2 * _HEADER)
        with atomic_open(self.path) as file:
            self._zip = StoredZip(file)
            yield
            self._zip.close()

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
        begins, owner = outlines.starts[rings], outlines.owner[rings[:-1]]
        x, y = np.ascontiguousarray(outlines.vertices.T)
        sides = np.stack([f.reduceat(v, begins[:-1]) for f in (np.minimum, np.maximum) for v in (x, y)], axis=1)
        files = [f'{number:07d}' for number in (first + owner).tolist()]
        labels = cells.labels[owner].tolist()
        names = [
            f'{file} {self.classes[label].name} {score:.3f}'
            for file, label, score in zip(files, labels, cells.scores[owner].tolist())
        ]
        rois = _filled(self._empty[[self._row[label] for label in labels]], sides, x, y, begins, names)
        wide = np.maximum((sides[:, 2:] - sides[:, :2]).max(axis=1), np.diff(begins))
        traced = (np.diff(rings) == 1) & (sides[:, 2:].max(axis=1) <= _LARGEST) & (wide < 1 << 15)
        for k in np.flatnonzero(~traced).tolist():
            composite = self._roi(labels[k], ROI_TYPE.RECT, names[k])
            composite.left, composite.top, composite.right, composite.bottom = sides[k].tolist()
            composite.multi_coordinates = _path(
                outlines.vertices, outlines.starts[rings[k] : rings[k + 1] + 1].tolist()
            )
            composite.shape_roi_size = len(composite.multi_coordinates)
            rois[k] = composite.tobytes()
        # Number alone: a class's name may hold what a file's name may not.
        self._zip.write(zip([f'{file}.roi' for file in files], rois))


def _filled(
    headers: np.ndarray, sides: np.ndarray, x: np.ndarray, y: np.ndarray, begins: np.ndarray, names: list[str]
) -> list[bytes]:
    """The bytes that roifile makes of N traced ROIs.

    Most of a slide's time would go into roifile's checks and conversions of single numbers.

    Args:
        headers: (N, 128) uint8, which are changed: both headers of a ROI without corners and name.
        sides: (N, 4) left, top, right and bottom in px.
        x, y: (V,) corners of all ROIs, end to end.
        begins: (N + 1,) where each ROI's corners begin.
        names: Shown by ImageJ.
    """
    number, words = np.diff(begins), [name.encode('utf-16-be') for name in names]
    second = _HEADER + 4 * number  # where the second header begins
    headers[:, 8:18] = np.column_stack([sides[:, [1, 0, 3, 2]], number]).astype('>u2', 'C').view(np.uint8)
    headers[:, 60:64] = second.astype('>i4')[:, None].view(np.uint8)
    named = np.stack([second + _HEADER, np.fromiter(map(len, words), np.int64) // 2], axis=1)
    headers[:, 80:88] = named.astype('>i4').view(np.uint8)
    # All x of a ROI, then all its y, each from its left upper corner.
    place = np.arange(len(x)) + np.repeat(begins[:-1], number)
    corners = np.empty(2 * len(x), '>u2')
    corners[place] = x - np.repeat(sides[:, 0], number)
    corners[place + np.repeat(number, number)] = y - np.repeat(sides[:, 1], number)
    head, middle = headers.tobytes(), corners.tobytes()
    return [
        b''.join((head[at : at + _HEADER], middle[a:b], head[at + _HEADER : at + 2 * _HEADER], text))
        for at, (a, b), text in zip(range(0, len(head), 2 * _HEADER), pairwise((4 * begins).tolist()), words)
    ]


def _path(vertices: np.ndarray, starts: list[int]) -> np.ndarray:
    """Rings in the codes of java.awt.geom.PathIterator: 0 moves to a point, 1 draws a line to it, 4 closes."""
    parts = []
    for a, b in pairwise(starts):
        steps = np.insert(vertices[a:b], 0, 1, axis=1)
        steps[0, 0] = 0
        parts += [*steps.ravel().tolist(), 4]
    return np.array(parts, np.float32)
