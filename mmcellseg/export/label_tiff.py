"""A label map as a tiled TIFF, assembled in bands of tile rows, and the table of its cells."""

import os
import pickle
import tempfile
from collections import defaultdict
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import BinaryIO

import imagecodecs
import numpy as np
import tifffile

from ..structures.files import atomic_open
from .cells import Cells
from .table import CsvWriter
from .writer import Writer

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
            self._table = stack.enter_context(
                CsvWriter(
                    self.path.with_suffix('.csv'),
                    self.image_name,
                    self.height,
                    self.width,
                    list(self.classes.values()),
                    self.mpp,
                )
            )
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
                masks = cells.masks[inside]
                self._places[band].append(self._waiting.tell())
                bits = np.packbits(masks.bits != 0)
                pickle.dump((cells.scores[inside], first + inside, masks.boxes, masks.starts, bits), self._waiting)

    def _bands(self, dtype: type) -> Iterator[np.ndarray]:
        """Label maps (TILE, width in whole tiles) from top to bottom."""
        for band in range(-(-self.height // TILE)):
            out: np.ndarray = np.zeros((TILE, -(-self.width // TILE) * TILE), dtype)
            batches = []
            for place in self._places.get(band, []):
                self._waiting.seek(place)
                batches.append(pickle.load(self._waiting))
            scores, ids, boxes = (np.concatenate(a) for a in zip(*(b[:3] for b in batches))) if batches else [[]] * 3
            windows: list[np.ndarray] = []
            for _, _, own, starts, packed in batches:
                bits = np.unpackbits(packed, count=starts[-1]).view(bool)
                sides = (own[:, 2:] - own[:, :2]).tolist()
                windows += [bits[a:b].reshape(h, w) for a, b, (w, h) in zip(starts[:-1], starts[1:], sides)]
            for k in np.lexsort((ids, -np.asarray(scores)))[::-1].tolist():
                x1, y1, x2, y2 = boxes[k].tolist()
                y1, y2 = y1 - band * TILE, y2 - band * TILE
                window = windows[k][max(-y1, 0) : TILE - y1]
                out[max(y1, 0) : y2, x1:x2][window] = ids[k]
            yield out

    def _encoded_tiles(self, dtype: type) -> Iterator[bytes]:
        blank = _encode(np.zeros((TILE, TILE), dtype))
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            for band in self._bands(dtype):
                tiles = (band[:, x : x + TILE] for x in range(0, band.shape[1], TILE))
                yield from pool.map(lambda tile: _encode(tile) if tile.any() else blank, tiles)

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


def _encode(tile: np.ndarray) -> bytes:
    # Twice as fast as the codec that tifffile takes, which counts: a slide has 14 GB of labels, most of them 0.
    return bytes(imagecodecs.zlib_encode(tile.tobytes(), level=1))
