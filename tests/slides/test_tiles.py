"""The grid of tiles and its cores."""

import numpy as np
import pytest

from mmcellseg.slides.tiles import Grid, starts


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        ((100, 40, 10), [0, 30, 60]),
        ((101, 40, 10), [0, 30, 60, 90]),  # three reach 100 px
        ((40, 40, 10), [0]),
        ((7, 40, 10), [0]),
        ((41, 40, 39), [0, 1]),
        # At multiples of the last number, unless that costs too much
        ((2000, 1024, 128, 128), [0, 896, 1792]),
        ((1000, 500, 128, 64), [0, 320, 640]),  # and not 372: 180 px are shared, at most 192 may be
        ((1000, 500, 128, 128), [0, 320, 640]),  # 256 would share 244 px: multiples of 64
        ((1000, 500, 52, 128), [0, 448, 896]),
        ((60, 48, 32, 128), [0, 16]),
    ],
)
def test_where_tiles_begin(arguments, expected):
    assert starts(*arguments).tolist() == expected


def test_an_overlap_as_large_as_the_tile_is_refused():
    for overlap in (-1, 40, 50):
        with pytest.raises(ValueError, match='must be smaller than the tile'):
            starts(100, 40, overlap)


@pytest.mark.parametrize('seed', range(30))
def test_neighbours_share_the_overlap_and_all_is_covered(seed):
    rng = np.random.default_rng(seed)
    tile = int(rng.integers(2, 60))
    length, overlap = int(rng.integers(1, 400)), int(rng.integers(0, tile))
    found = starts(length, tile, overlap)
    assert found[0] == 0
    assert found[-1] + tile >= length
    if len(found) > 1:
        assert found[-2] + tile < length
        assert (found[:-1] + tile - found[1:]).min() >= overlap
        assert length - found[-1] > overlap


def test_tiles_cores_and_cuts():
    grid = Grid.cover(50, 95, 40, 10)  # rows at 0 and 30, columns at 0, 30 and 60
    assert (len(grid), grid.tops.tolist(), grid.lefts.tolist()) == (6, [0, 30], [0, 30, 60])
    assert grid.boxes(np.array([0, 5])).tolist() == [[0, 0, 40, 40], [60, 30, 95, 50]]
    # Cores meet at x = 35 and 65, y = 35; a centre on the border belongs to the later tile.
    boxes = np.array([[0, 0, 2, 2], [33, 0, 37, 2], [30, 30, 38, 39], [93, 48, 95, 50]])
    assert grid.owners(boxes).tolist() == [0, 1, 0, 5]
    tiles = np.array([0, 0, 0, 0, 1, 5])
    boxes = np.array([[0, 0, 5, 5], [30, 0, 40, 5], [30, 0, 38, 5], [0, 36, 5, 40], [32, 0, 40, 5], [80, 40, 95, 50]])
    assert grid.cut(boxes, tiles).tolist() == [False, True, False, True, False, False]
    assert grid.cut(boxes, tiles, touch=2).tolist() == [False, True, True, True, True, False]
    # Column 0 is seen by tile 0 alone up to x = 30, its rows up to y = 30.
    boxes = np.array([[0, 0, 30, 30], [0, 0, 31, 30], [0, 0, 30, 31], [41, 0, 60, 10]])
    assert grid.shared(boxes, np.array([0, 0, 0, 1])).tolist() == [False, True, True, False]
