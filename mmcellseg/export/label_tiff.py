"""Label TIFFs: a label map as a tiled TIFF with the table of its cells, and the cells of such files."""

import csv
import os
import pickle
import tempfile
from collections import defaultdict
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import imagecodecs
import numpy as np
import tifffile

from ..data.tiff import read_label_map
from ..structures.files import atomic_open
from ..structures.masks import InstanceMasks
from .cells import Cells, paint
from .geojson import ExportReadError
from .writer import CsvWriter, Writer

TILE = 512  # px of a tile's side, and of a band's height


class LabelTiffWriter(Writer):
    """uint16 up to 65,535 cells, else uint32; a pixel has the id of its cell, 0 is background.

    Where cells overlap, the one of the highest score is on top, of equal scores the first. The table has every cell,
    also those that others hide; it lies beside the TIFF, as ``.csv``. Until the end cells wait in a temporary file, as
    only then the largest id is known; memory holds one band of tiles.
    """

    suffix = '.labels.tif'

    def _open(self) -> Generator[None, None, None]:
        with ExitStack() as stack:
            file = stack.enter_context(atomic_open(self.path))
            table = self.path.with_suffix('.csv')
            classes = list(self.classes.values())
            self._table = stack.enter_context(CsvWriter(table, self.height, self.width, classes, self.mpp))
            # Has no name: it is gone however the process ends.
            self._waiting = stack.enter_context(tempfile.TemporaryFile(dir=self.path.parent))
            self._places: dict[int, list[int]] = defaultdict(list)
            yield
            self._write_tiles(file)

    def _write(self, cells: Cells, first: int) -> None:
        self._table.write(cells)
        boxes = cells.masks.boxes
        filled = boxes[:, 3] > boxes[:, 1]
        top, bottom = boxes[:, 1] // TILE, (boxes[:, 3] - 1) // TILE
        for band in range(top[filled].min(initial=1 << 30), bottom[filled].max(initial=-1) + 1):
            inside = np.flatnonzero(filled & (top <= band) & (bottom >= band))
            if len(inside):
                self._places[band].append(self._waiting.tell())
                pickle.dump((cells.scores[inside], first + inside, cells.masks[inside]), self._waiting)

    def _bands(self, dtype: type) -> Iterator[np.ndarray]:
        """Label maps (TILE, width in whole tiles) from top to bottom; each is overwritten by the next."""
        out: np.ndarray = np.zeros((TILE, -(-self.width // TILE) * TILE), dtype)
        for band in range(-(-self.height // TILE)):
            out[:] = 0
            batches = []
            for place in self._places.get(band, []):
                self._waiting.seek(place)
                batches.append(pickle.load(self._waiting))
            if batches:
                scores, ids, masks = zip(*batches)
                paint(out, InstanceMasks.cat(masks), np.concatenate(scores), np.concatenate(ids), band * TILE)
            yield out

    def _encoded_tiles(self, dtype: type) -> Iterator[bytes]:
        # zlib-ng, and memory that is used again: a slide has 14 GB of labels, most of them 0.
        memory = bytearray(TILE * TILE * np.dtype(dtype).itemsize)
        scratch: np.ndarray = np.frombuffer(memory, dtype).reshape(TILE, TILE)
        blank = bytes(imagecodecs.zlibng_encode(memory, level=1))
        for band in self._bands(dtype):
            for x in range(0, band.shape[1], TILE):
                scratch[:] = band[:, x : x + TILE]
                yield bytes(imagecodecs.zlibng_encode(memory, level=1)) if scratch.any() else blank

    def _write_tiles(self, file: BinaryIO) -> None:
        dtype = np.uint16 if self.written < 1 << 16 else np.uint32
        tifffile.imwrite(
            tifffile.FileHandle(file, name=self.path.name),  # the temporary file has none
            self._encoded_tiles(dtype),
            shape=(self.height, self.width),
            dtype=dtype,
            bigtiff=self.height * self.width * np.dtype(dtype).itemsize >= 1 << 31,
            tile=(TILE, TILE),
            photometric='minisblack',
            compression='zlib',
            resolution=None if self.mpp is None else (1e4 / self.mpp, 1e4 / self.mpp),
            resolutionunit=None if self.mpp is None else 'CENTIMETER',
            metadata=None,
            software='mmcellseg',
        )


def read_label_tiff(path: str | os.PathLike, height: int, width: int) -> tuple[list[str | None], InstanceMasks]:
    """The class of each cell, by the table beside the file (None where there is no table), and its mask.

    Args:
        path: A label map; its table has the same name with ``.csv`` at the end and the columns id and class.
        height, width: Of the image in px.

    Raises:
        ExportReadError: The map is of another size, or the table lacks a column or one of the map's cells.
        ImageReadError: The file is no label map.
    """
    labels = read_label_map(path)
    if labels.shape != (height, width):
        raise ExportReadError(
            f'{path}: expected labels of {height} x {width} px as the image has, found {labels.shape[0]} x '
            f'{labels.shape[1]}'
        )
    ids, masks = InstanceMasks.from_label_map(labels)
    table = Path(path).with_suffix('.csv')
    if not table.is_file():
        return [None] * len(ids), masks
    with table.open(newline='', encoding='utf-8-sig') as file:
        try:
            names = {int(row['id']): row['class'] for row in csv.DictReader(file)}
        except (KeyError, ValueError, TypeError) as error:
            raise ExportReadError(f'{table}: expected rows with a whole number id and a class ({error})') from error
    absent = np.setdiff1d(ids, list(names))
    if len(absent):
        raise ExportReadError(
            f'{table}: has no row for cell {absent[0]} of {path} ({len(absent)} such cells): add its id and class'
        )
    return [names[label] for label in ids.tolist()], masks
