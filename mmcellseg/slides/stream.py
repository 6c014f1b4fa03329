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
    grid = seams.grid
    tiles = np.flatnonzero(~seams.skipped)
    boxes = grid.boxes(tiles)
    sizes = (boxes[:, 3:1:-1] - boxes[:, 1::-1]).tolist()

    def read(k: int) -> np.ndarray:
        height, width = (max(1, round(side * factor)) for side in sizes[k])
        return image.read(boxes[k].tolist(), (height, width))

    def detected() -> Iterator[tuple[int, Cells]]:
        images, views = read_ahead(read, range(len(tiles)), workers, max(workers, batch) + batch), 0
        for start in range(0, len(tiles), batch):
            chosen = tiles[start : start + batch].tolist()
            found = detect(list(islice(images, len(chosen))), [(h, w) for h, w in sizes[start : start + batch]])
            views += sum(map(len, found))
            yield from zip(chosen, found, strict=True)
            if progress is not None:
                progress(start + len(chosen), views)

    found = detected()
    ahead = next(found, None)
    for row in range(len(grid.tops)):
        of_row = []
        while ahead is not None and ahead[0] // len(grid.lefts) == row:
            of_row.append(ahead)
            ahead = next(found, None)
        if (final := seams.add_row(row, of_row)) is not None:
            yield final
