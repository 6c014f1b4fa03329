"""A zip of ImageJ ROIs, one a cell."""

import zipfile
from collections.abc import Generator

import numpy as np
from roifile import ROI_OPTIONS, ROI_TYPE, ImagejRoi

from ..structures.files import atomic_open
from .cells import Cells
from .outlines import trace
from .writer import Writer

_LARGEST = 60_535  # ImageJ takes larger 16-bit coordinates for negative ones


class ImagejRoiWriter(Writer):
    """Cells in one piece are traced ROIs, as ImageJ's wand makes them, others composite ones; all run on pixel edges.

    The file is that of ImageJ's ROI manager. A ROI's name is the cell's number, class and score, its colour and group
    are those of the class. Cells without pixels are left out.
    """

    suffix = '.rois.zip'

    def _open(self) -> Generator[None, None, None]:
        self._kinds = {c.id: (k, bytes([255, *c.color])) for k, c in enumerate(self.classes.values(), 1)}
        with atomic_open(self.path) as file, zipfile.ZipFile(file, 'w') as self._zip:
            yield

    def _write(self, cells: Cells, first: int) -> None:
        outlines = trace(cells.masks)
        heads = np.flatnonzero(np.diff(outlines.owner, prepend=-1)).tolist()
        starts = outlines.starts.tolist()
        labels, scores = cells.labels.tolist(), cells.scores.tolist()
        for k, a, b in zip(outlines.owner[heads].tolist(), heads, [*heads[1:], len(outlines.owner)]):
            group, color = self._kinds[labels[k]]
            name = f'{first + k:07d} {self.classes[labels[k]].name} {scores[k]:.3f}'
            roi = ImagejRoi(
                name=name, group=group if group < 256 else 0, stroke_color=color, options=ROI_OPTIONS.OVERLAY_LABELS
            )
            rings = [outlines.vertices[starts[ring] : starts[ring + 1]] for ring in range(a, b)]
            _shape(roi, rings)
            # Number alone: a class's name may hold what a file's name may not. No date: the same bytes each time.
            self._zip.writestr(zipfile.ZipInfo(f'{first + k:07d}.roi'), roi.tobytes())


def _shape(roi: ImagejRoi, rings: list[np.ndarray]) -> None:
    corners = rings[0] if len(rings) == 1 else np.concatenate(rings)
    (roi.left, roi.top), (roi.right, roi.bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    if len(rings) == 1:
        roi.roitype = ROI_TYPE.TRACED
        roi.n_coordinates = len(corners)
        roi.integer_coordinates = corners - (roi.left, roi.top)
        if max(roi.right, roi.bottom) > _LARGEST:
            roi.options |= ROI_OPTIONS.SUB_PIXEL_RESOLUTION
            roi.subpixel_coordinates = corners.astype(np.float32)
        return
    roi.roitype = ROI_TYPE.RECT
    # A path in java.awt.geom's codes: 0 moves to a point, 1 draws a line to it, 4 closes.
    parts = []
    for ring in rings:
        steps = np.ones((len(ring), 3), np.float32)
        steps[0, 0], steps[:, 1:] = 0, ring
        parts += [steps.ravel(), np.float32([4])]
    roi.multi_coordinates = np.concatenate(parts)
    roi.shape_roi_size = len(roi.multi_coordinates)
