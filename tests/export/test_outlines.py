"""Polygons along pixel edges: known shapes, and what shapely says of random ones."""

import numpy as np
import pytest
import shapely
from random_masks import bitmaps

from mmcellseg.export import outlines
from mmcellseg.export.outlines import trace
from mmcellseg.structures.masks import InstanceMasks


def rings(*rows: str) -> list[tuple[list[list[int]], bool]]:
    """The rings of one mask drawn with #, each from its least corner on, and whether it is a hole."""
    bitmap = np.array([[c == '#' for c in row] for row in rows], np.uint8)
    found = trace(InstanceMasks.from_bitmaps(bitmap[None]))
    out = []
    for ring, hole in zip(np.split(found.vertices, found.starts[1:-1]), found.hole.tolist()):
        first = min(range(len(ring)), key=lambda k: (ring[k, 1], ring[k, 0]))
        out.append((np.roll(ring, -first, axis=0).tolist(), hole))
    return out


def test_a_pixel_is_a_square_that_runs_clockwise_on_a_screen():
    assert rings('...', '.#.') == [([[1, 1], [2, 1], [2, 2], [1, 2]], False)]


def test_a_hole_follows_its_ring_and_runs_the_other_way():
    assert rings('###', '#.#', '###') == [
        ([[0, 0], [3, 0], [3, 3], [0, 3]], False),
        ([[1, 1], [1, 2], [2, 2], [2, 1]], True),
    ]


@pytest.mark.parametrize('rows', [('#.', '.#'), ('.#', '#.')])
def test_pixels_that_touch_by_a_corner_are_two_polygons(rows):
    found = rings(*rows)
    assert [len(ring) for ring, _ in found] == [4, 4]
    assert [hole for _, hole in found] == [False, False]


@pytest.mark.parametrize('rows', [('###', '#.#', '##.'), ('.##', '#.#', '###')])
def test_a_hole_that_touches_the_outside_by_a_corner_is_a_hole(rows):
    (outer, is_hole), (hole, hole_too) = rings(*rows)
    assert (len(outer), is_hole, len(hole), hole_too) == (6, False, 4, True)


def test_holes_go_with_their_own_piece():
    ring = ('###', '#.#', '###')
    found = rings(*(f'{row}.{row}' for row in ring))
    assert [hole for _, hole in found] == [False, True, False, True]
    assert found[1][0][0][0] - found[0][0][0][0] == found[3][0][0][0] - found[2][0][0][0] == 1


def polygons(masks: InstanceMasks) -> list[shapely.MultiPolygon]:
    found = trace(masks)
    pieces: list[list] = [[] for _ in range(len(masks))]
    for k, ring, hole in zip(found.owner, np.split(found.vertices, found.starts[1:-1]), found.hole):
        if hole:
            pieces[k][-1][1].append(ring)
        else:
            pieces[k].append((ring, []))
    return [shapely.MultiPolygon([shapely.Polygon(*piece) for piece in mask]) for mask in pieces]


@pytest.mark.parametrize('canvas', [1, 1 << 21])  # each mask for itself, and all at once
@pytest.mark.parametrize('seed', range(25))
def test_random_masks_are_valid_polygons_of_the_same_pixels(seed, canvas, monkeypatch):
    monkeypatch.setattr(outlines, '_CANVAS', canvas)
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 16, 2)
    drawn = bitmaps(rng, 12, height, width)
    masks = InstanceMasks.from_bitmaps(drawn)
    ys, xs = np.mgrid[:height, :width] + 0.5
    trace.cache_clear()
    for polygon, bitmap in zip(polygons(masks), drawn):
        assert polygon.is_valid, shapely.is_valid_reason(polygon)
        assert polygon.area == bitmap.sum()
        assert (shapely.contains_xy(polygon, xs, ys) == bitmap).all()


def test_no_masks_and_masks_without_pixels_have_no_rings():
    assert len(trace(InstanceMasks.from_bitmaps(np.zeros((0, 5, 4), np.uint8))).owner) == 0
    found = trace(InstanceMasks.from_bitmaps(np.zeros((3, 5, 4), np.uint8)))
    assert (len(found.vertices), found.starts.tolist(), len(found.owner)) == (0, [0], 0)
