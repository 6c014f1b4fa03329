"""What all writers of cells share, and the two whose files are plain text."""

import csv
import io
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Self

import numpy as np

from ..structures.files import atomic_open
from ..structures.masks import InstanceMasks
from ..structures.ragged import offsets
from .cells import CellClass, Cells


class Writer(ABC):
    """A file of the cells of one image, written batch by batch inside a ``with`` block.

    The file appears under its name at the end of the block; after an error nothing is left of it. Cells have numbers
    from 1 in the order in which they are written.

    Args:
        path: The file to write.
        height, width: Of the image in px.
        classes: All that cells may have.
        mpp: Size of a pixel in µm, None if unknown.
        image_id: The image's id in a COCO json, for formats that name it.
    """

    suffix: ClassVar[str]

    def __init__(
        self,
        path: str | os.PathLike,
        height: int,
        width: int,
        classes: Sequence[CellClass],
        mpp: float | None = None,
        image_id: int = 1,
    ) -> None:
        self.path, self.height, self.width, self.mpp, self.image_id = Path(path), height, width, mpp, image_id
        self.classes = {c.id: c for c in classes}
        self.written = 0

    def __enter__(self) -> Self:
        self._opened: Any = contextmanager(self._open)()
        self._opened.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._opened.__exit__(*error)

    def write(self, cells: Cells) -> None:
        """Write a batch of cells, in px of the whole image.

        Raises:
            ValueError: The cells are of another image size, of an unknown class, or have a score that is no number.
        """
        if (cells.height, cells.width) != (self.height, self.width):
            raise ValueError(
                f'{self.path}: expected cells of an image of {self.height} x {self.width} px, found '
                f'{cells.height} x {cells.width}'
            )
        unknown = set(cells.labels.tolist()) - set(self.classes)
        if unknown or not np.isfinite(cells.scores).all():
            found = f'class {min(unknown)}' if unknown else 'a score that is no number'
            raise ValueError(f'{self.path}: expected scores and classes {list(self.classes)}, found {found}')
        if len(cells):
            self._write(cells, self.written + 1)
            self.written += len(cells)

    _file: BinaryIO

    def _open(self) -> Generator[None, None, None]:
        """Everything but the cells: what comes before them, then ``yield``, then what comes after them."""
        with atomic_open(self.path) as self._file:
            yield

    @abstractmethod
    def _write(self, cells: Cells, first: int) -> None:
        """Write at least one cell; the first has the number ``first``."""


@lru_cache(maxsize=1)  # several writers take the same batch one after the other
def areas_and_centroids(masks: InstanceMasks) -> tuple[np.ndarray, np.ndarray]:
    """Area (N,) int64 in px², and centroid (N, 2) float64 xy in px, of each mask.

    The centre of the image's first pixel is (0.5, 0.5). A mask without pixels has NaN.
    """
    wide = (masks.boxes[:, 2] - masks.boxes[:, 0]).astype(np.int64)
    high = np.where(wide > 0, masks.boxes[:, 3] - masks.boxes[:, 1], 0).astype(np.int64)
    owner = np.repeat(np.arange(len(masks)), high)  # of each row of a window
    row = np.arange(len(owner)) - np.repeat(offsets(high)[:-1], high)
    begins = masks.starts[owner] + row * wide[owner]
    bits = (masks.bits[: masks.starts[-1]] != 0).view(np.uint8)
    pixels, places = (np.add.reduceat(v, begins, dtype=np.int64) for v in (bits, np.arange(len(bits)) * bits))
    # A pixel's column is its place less that of its row.
    area, columns, rows = (
        np.bincount(owner, weights=weights, minlength=len(masks))
        for weights in (pixels, places - begins * pixels, row * pixels)
    )
    with np.errstate(invalid='ignore'):
        local = np.stack([columns, rows], axis=1) / area[:, None]
    return area.astype(np.int64), local + masks.boxes[:, :2] + 0.5


@lru_cache(maxsize=1)  # a label TIFF's table is a csv, too
def _csv_rows(cells: Cells, first: int, classes: tuple[CellClass, ...], mpp: float | None) -> bytes:
    area, centroid = areas_and_centroids(cells.masks)
    nothing, names = [''] * len(cells), {c.id: c.name for c in classes}
    columns = (
        range(first, first + len(cells)),
        [names[label] for label in cells.labels.tolist()],
        cells.scores.tolist(),
        area.tolist(),
        nothing if mpp is None else (area * mpp**2).round(4).tolist(),
        *(['' if v != v else v for v in column] for column in centroid.round(2).T.tolist()),
        nothing if cells.agreement is None else cells.agreement.tolist(),
    )
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerows(zip(*columns))
    return text.getvalue().encode()


class CsvWriter(Writer):
    """Id, class, score, area, centroid in px, and what an ensemble's members agree on; what is unknown is empty."""

    suffix = '.csv'

    def _open(self) -> Generator[None, None, None]:
        with atomic_open(self.path) as self._file:
            self._file.write(b'id,class,score,area_px2,area_um2,centroid_x,centroid_y,agreement\n')
            yield

    def _write(self, cells: Cells, first: int) -> None:
        self._file.write(_csv_rows(cells, first, tuple(self.classes.values()), self.mpp))


class CocoResultsWriter(Writer):
    """The predictions file that the project's tools read, one entry a line, with agreement where it is known."""

    suffix = '.coco.json'

    def _open(self) -> Generator[None, None, None]:
        with atomic_open(self.path) as self._file:
            self._file.write(b'[')
            yield
            self._file.write(b'\n]\n' if self.written else b']\n')

    def _write(self, cells: Cells, first: int) -> None:
        boxes = np.concatenate([cells.boxes[:, :2], cells.boxes[:, 2:] - cells.boxes[:, :2]], axis=1)
        # Pieced together, as an encoder an entry takes longer. Of all that counts hold JSON escapes backslashes alone.
        begin = f'{{"image_id": {json.dumps(self.image_id)}, "category_id": '
        masked = f'"segmentation": {{"size": [{self.height}, {self.width}], "counts": "'
        entries = [
            f'{begin}{label}, "score": {score!r}, "bbox": [{box}], {masked}{counts}"}}'
            for label, score, box, counts in zip(
                cells.labels.tolist(),
                cells.scores.tolist(),
                json.dumps(boxes.tolist())[2:-2].split('], ['),
                (rle['counts'].decode('ascii').replace('\\', r'\\') for rle in cells.to_rles()),
            )
        ]
        if cells.agreement is not None:
            entries = [f'{entry}, "agreement": {value!r}' for entry, value in zip(entries, cells.agreement.tolist())]
        self._file.write((('\n' if first == 1 else ',\n') + ',\n'.join(f'{entry}}}' for entry in entries)).encode())
