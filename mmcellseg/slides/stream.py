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
Sizes = Sequence[tuple[int, int]]
Detect = Callable[[Sequence[np.ndarray], Sizes], Sequence[Cells]]
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
    factor: float = 1.0,
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
        factor: By which tiles are resized for the detector.
        batch: Tiles that the detector gets at once.
        workers: Threads that read tiles ahead.
        progress: Called after each batch with the tiles that are done and the cells that they hold, each view of a
            cell counted.
    """
    grid, columns = seams.grid, len(seams.grid.lefts)
    tiles = np.flatnonzero(~seams.skipped)
    boxes = grid.boxes(tiles).tolist()
    regions = [(y1 - y0, x1 - x0) for x0, y0, x1, y1 in boxes]
    images = read_ahead(lambda box: _resized(image, box, factor), boxes, workers, max(workers, batch) + batch)
    row, views = 0, 0
    found: list[tuple[int, Cells]] = []
    for start in range(0, len(tiles), batch):
        chosen = tiles[start : start + batch].tolist()
        found_now = detect(list(islice(images, len(chosen))), regions[start : start + batch])
        for tile, cells in zip(chosen, found_now, strict=True):
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


def _resized(image: RegionImage, box: Sequence[int], factor: float) -> np.ndarray:
    x0, y0, x1, y1 = box
    return image.read((x0, y0, x1, y1), (max(1, round((y1 - y0) * factor)), max(1, round((x1 - x0) * factor))))
