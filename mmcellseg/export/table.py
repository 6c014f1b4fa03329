"""A table of cells: CSV, one row a cell."""

import csv
import io
from collections.abc import Generator

import numpy as np

from ..structures.files import atomic_open
from ..structures.masks import InstanceMasks
from ..structures.ragged import offsets
from .cells import Cells
from .writer import Writer

COLUMNS = ('id', 'class', 'score', 'area_px2', 'area_um2', 'centroid_x', 'centroid_y', 'agreement')


def areas_and_centroids(masks: InstanceMasks) -> tuple[np.ndarray, np.ndarray]:
    """Area (N,) int64 in px², and centroid (N, 2) float64 xy in px, of each mask.

    The centre of the image's first pixel is (0.5, 0.5). A mask without pixels has NaN.
    """
    wide = (masks.boxes[:, 2] - masks.boxes[:, 0]).astype(np.int64)
    high = np.where(wide > 0, masks.boxes[:, 3] - masks.boxes[:, 1], 0).astype(np.int64)
    at = np.flatnonzero(masks.bits[: masks.starts[-1]])
    of_mask = np.searchsorted(at, masks.starts)
    area = np.diff(of_mask)
    # A pixel lies at start + row × width + column: the sums of place and of rows give that of columns.
    places = np.diff(offsets(at)[of_mask]) - masks.starts[:-1] * area
    owner = np.repeat(np.arange(len(masks)), high)
    row = np.arange(len(owner)) - np.repeat(offsets(high)[:-1], high)
    of_row = np.searchsorted(at, np.append(masks.starts[owner] + row * wide[owner], masks.starts[-1]))
    rows = np.bincount(owner, weights=np.diff(of_row) * row, minlength=len(masks))
    with np.errstate(invalid='ignore'):
        local = np.stack([places - rows * wide, rows], axis=1) / area[:, None]
    return area, local + masks.boxes[:, :2] + 0.5


class CsvWriter(Writer):
    """Id, class, score, area, centroid in px, and what an ensemble's members agree on; what is unknown is empty."""

    suffix = '.csv'

    def _open(self) -> Generator[None, None, None]:
        with atomic_open(self.path) as self._file:
            self._file.write((','.join(COLUMNS) + '\n').encode())
            yield

    def _write(self, cells: Cells, first: int) -> None:
        area, centroid = areas_and_centroids(cells.masks)
        nothing = [''] * len(cells)
        text = io.StringIO()
        csv.writer(text, lineterminator='\n').writerows(
            zip(
                range(first, first + len(cells)),
                [self.classes[label].name for label in cells.labels.tolist()],
                cells.scores.tolist(),
                area.tolist(),
                nothing if self.mpp is None else (area * self.mpp**2).round(4).tolist(),
                *(['' if v != v else v for v in column] for column in centroid.round(2).T.tolist()),
                nothing if cells.agreement is None else cells.agreement.tolist(),
            )
        )
        self._file.write(text.getvalue().encode())
