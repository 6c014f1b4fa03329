"""An image through a detector, tile by tile: its cells come as they become final."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import numpy as np

from ..export.cells import Cells
from .regions import RegionImage
from .seams import Seams

# Tiles RGB uint8 (h, w, 3) and the size (h, w) of the region that each shows → the cells of each, in px of the
# region; masks in their tight boxes, none empty.
Detect = Callable[[Sequence[np.ndarray], tuple[int, int]], Sequence[Cells]]
T = TypeVar('T')
R = TypeVar('R')


def read_ahead(function: Callable[[T], R], items: Iterable[T], workers: int, ahead: int) -> Iterator[R]:
    """``map(function, items)`` with ``workers`` threads that are up to ``ahead`` results before their use."""
    if workers < 1:
        yield from map(function, items)
        return
    items = iter(items)
    with ThreadPoolExecutor(workers) as pool:
        begun = deque(pool.submit(function, item) for item in islice(items, ahead))
        try:
            while begun:
                result = begun.popleft().result()
                begun.extend(pool.submit(function, item) for item in islice(items, 1))
                yield result
        finally:
            for future in begun:
                future.cancel()


def stream_cells(
    image: RegionImage,
    detect: Detect,
    seams: Seams,
    size: tuple[int, int] | None = None,
    batch: int = 1,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Cells]:
    """Cells of the whole image, in its px, in batches; the order is that of the tiles.

    Memory holds the cells of a row of tiles, those that reach into the next, and the tiles that are read ahead.

    Args:
        image: What the tiles are read from.
        detect: The detector.
        seams: Of the image's grid; tiles that it skips are neither read nor predicted.
        size: (h, w) of what the detector sees of each tile. Default: as many px as the tile has.
        batch: Tiles that the detector gets at once.
        workers: Threads that read tiles ahead.
        progress: Called after each batch with the tiles that are done and the cells that they hold, each view of a
            cell counted.
    """
    grid, columns = seams.grid, len(seams.grid.lefts)
    region = grid.tile_height, grid.tile_width
    tiles = np.flatnonzero(~seams.skipped)
    boxes = grid.boxes(tiles).tolist()
    images = read_ahead(lambda box: image.read(box, size), boxes, workers, max(workers, batch) + batch)
    row, views = 0, 0
    found: list[tuple[int, Cells]] = []
    for start in range(0, len(tiles), batch):
        chosen = tiles[start : start + batch].tolist()
        for tile, cells in zip(chosen, detect(list(islice(images, len(chosen))), region), strict=True):
            while tile // columns > row:
                if (final := seams.add_row(row, found)) is not None:
                    yield final
                row, found = row + 1, []
            found.append((tile, cells))
            views += len(cells)
        if progress is not None:
            progress(start + len(chosen), views)
    while row < len(grid.tops):
        if (final := seams.add_row(row, found)) is not None:
            yield final
        row, found = row + 1, []
