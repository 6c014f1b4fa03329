"""An image through a detector, tile by tile."""

import itertools
import threading

import numpy as np
import pytest
from local_detector import blobs, components, content

from mmcellseg.export.cells import join
from mmcellseg.slides.regions import ArrayImage
from mmcellseg.slides.seams import Seams
from mmcellseg.slides.stream import read_ahead, stream_cells
from mmcellseg.slides.tiles import Grid


@pytest.mark.parametrize(('batch', 'workers'), [(1, 0), (3, 2), (7, 1), (500, 4)])
def test_all_cells_come_in_the_same_order_whatever_the_batch(rng, batch, workers):
    image = blobs(rng, 200, 150, number=150, largest=12)
    grid, seen, done = Grid.cover(200, 150, 48, 16), [], []

    def detect(tiles, sizes):
        assert [tile.shape[:2] for tile in tiles] == sizes
        seen.append(len(tiles))
        return [components(tile) for tile in tiles]

    stream = stream_cells(ArrayImage(image), detect, Seams(grid), 1.0, batch, workers, lambda n, c: done.append((n, c)))
    parts = list(stream)
    cells = join(parts)
    assert content(cells) == content(components(image))
    assert sum(seen) == len(grid) == done[-1][0]
    assert set(seen[:-1]) <= {batch}
    assert done[-1][1] >= len(cells)
    assert len(parts) == len(grid.tops)  # a batch a row of tiles
    one = join(list(stream_cells(ArrayImage(image), detect, Seams(grid))))
    np.testing.assert_array_equal(cells.boxes, one.boxes)


def test_skipped_tiles_are_neither_read_nor_predicted():
    image = np.zeros((300, 40, 3), np.uint8)
    image[10:14, 10:14] = image[280:284, 10:14] = 150
    grid = Grid.cover(300, 40, 40, 10)
    skipped = np.ones(len(grid), bool)
    skipped[[0, -1]] = False
    calls = []
    detect = lambda tiles, size: calls.append(len(tiles)) or [components(tile) for tile in tiles]  # noqa: E731
    cells = join(list(stream_cells(ArrayImage(image), detect, Seams(grid, skipped=skipped))))
    assert calls == [1, 1]
    assert content(cells) == content(components(image))


def test_reading_ahead_keeps_the_order_stays_within_bounds_and_gives_errors_on():
    begun, lock = [], threading.Lock()

    def read(item):
        if item == 100:
            raise OSError('no such tile')
        with lock:
            begun.append(item)
        return item * 2

    results = read_ahead(read, range(101), workers=3, ahead=5)
    for k, result in enumerate(itertools.islice(results, 100)):
        assert result == 2 * k
        assert len(begun) <= k + 6
    assert sorted(begun) == list(range(100))
    with pytest.raises(OSError, match='no such tile'):
        next(results)
