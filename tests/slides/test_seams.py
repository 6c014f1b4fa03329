"""Cells of tiles joined at the seams, against the same detector on the whole image."""

from dataclasses import replace

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from local_detector import blobs, components, content

from mmcellseg.export.cells import Cells, join
from mmcellseg.slides.seams import Seams
from mmcellseg.slides.tiles import Grid
from mmcellseg.structures.masks import InstanceMasks


def two_guesses(image: np.ndarray) -> Cells:
    """Each component, and the components of the second channel as second guesses of the other class."""
    second = components(image[..., 1:])
    return join([components(image), replace(second, scores=second.scores / 2, labels=3 - second.labels)])


def tiled(image: np.ndarray, grid: Grid, detect=components, skipped=None, **options) -> tuple[Cells | None, list[int]]:
    """All cells, and how many views wait after each row."""
    seams, out, waiting = Seams(grid, skipped=skipped, **options), [], []
    for row in range(len(grid.tops)):
        tiles = np.arange(row * len(grid.lefts), (row + 1) * len(grid.lefts))
        tiles = tiles if skipped is None else tiles[~skipped[tiles]]
        found = [(t, detect(image[y0:y1, x0:x1])) for t, (x0, y0, x1, y1) in zip(tiles, grid.boxes(tiles).tolist())]
        done = seams.add_row(row, found)
        out += [] if done is None else [done]
        waiting.append(len(seams._origin))
    return (join(out) if out else None), waiting


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(5, 120), st.integers(5, 120)),
    tile=st.integers(12, 60),
    share=st.floats(0.15, 0.85),
    touch=st.integers(0, 2),
    align=st.sampled_from([1, 5, 8]),
    detect=st.sampled_from([components, two_guesses]),
    seed=st.integers(0, 2**32 - 1),
)
def test_tiles_give_what_the_whole_image_gives(size, tile, share, touch, align, detect, seed):
    overlap = min(max(4, round(share * tile)), tile - 1)
    image = blobs(np.random.default_rng(seed), *size, number=60, largest=overlap - 2)
    cells, waiting = tiled(image, Grid.cover(*size, tile, overlap, align), detect, touch=touch)
    assert content(cells) == content(detect(image))
    assert waiting[-1] == 0


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), axes=st.tuples(st.integers(10, 55), st.integers(10, 55)), angle=st.integers(0, 180)
)
def test_cells_larger_than_the_overlap_are_put_together(seed, axes, angle):
    image = np.zeros((150, 170, 3), np.uint8)
    centre = np.random.default_rng(seed).integers(20, 130, 2).tolist()
    cv2.ellipse(image, centre, axes, angle, 0, 360, (150, 150, 150), -1)
    cells, _ = tiled(image, Grid.cover(150, 170, 48, 16))
    assert content(cells) == content(components(image))


def test_a_row_of_tiles_waits_and_no_more(rng):
    image = blobs(rng, 600, 200, number=900, largest=10)
    cells, waiting = tiled(image, Grid.cover(600, 200, 64, 16))
    assert len(cells) > 400
    # What reaches into the next row of tiles lies in its overlap and the cell's own size.
    assert max(waiting) < len(cells) / 4


def square(
    y: int, x: int, side: int = 6, label: int = 1, score: float = 0.5, size: tuple[int, int] = (40, 40)
) -> Cells:
    mask = InstanceMasks.from_windows(np.array([[x, y, x + side, y + side]]), [np.ones((side, side), np.uint8)], *size)
    return Cells(mask.boxes.astype(float), np.array([score]), np.array([label]), mask)


# Tiles of 40 px at 0 and 24 share 24 to 40; the cores meet at 32.
PAIR = Grid(40, 64, 40, np.array([0]), np.array([0, 24]))


def merged(left: list[Cells], right: list[Cells], skipped=None) -> list[tuple]:
    found = [(k, join(cells)) for k, cells in enumerate((left, right)) if cells]
    cells = Seams(PAIR, skipped=skipped).add_row(0, found)
    return [] if cells is None else list(zip(cells.boxes[:, 0].tolist(), cells.labels.tolist(), cells.scores.tolist()))


def test_the_tile_whose_core_has_the_centre_names_class_and_score():
    # Centre 31 lies in the left core; the right tile sees it at 28 - 24 = 4, with another class and a better score.
    assert merged([square(5, 28, score=0.6)], [square(5, 4, label=2, score=0.9)]) == [(28.0, 1, 0.6)]
    # Seen 2 px further right by both: centre 33.
    assert merged([square(5, 30, score=0.9)], [square(5, 6, label=2, score=0.6)]) == [(30.0, 2, 0.6)]


def test_what_one_tile_sees_counts_in_its_core_only():
    assert merged([square(5, 28)], []) == [(28.0, 1, 0.5)]
    assert merged([square(5, 30)], []) == []
    skipped = np.array([False, True])
    assert merged([square(5, 30)], [], skipped) == [(30.0, 1, 0.5)]


def test_two_tiles_that_see_a_cell_a_little_apart_neither_lose_nor_double_it():
    # Each says that the centre lies in the other's core: left 32 (from 29 on), right 31 (from 28 on).
    assert merged([square(5, 29, score=0.7)], [square(5, 4, score=0.6)]) == [(29.0, 1, 0.7)]
    # Each says that it lies in its own.
    assert merged([square(5, 28, score=0.6)], [square(5, 5, score=0.7)]) == [(29.0, 1, 0.7)]


def test_different_cells_of_two_tiles_stay():
    assert merged([square(5, 28)], [square(20, 8)]) == [(28.0, 1, 0.5), (32.0, 1, 0.5)]
    # An IoU of 4 · 6 / (72 - 24) = 0.5 is not above the threshold.
    assert merged([square(5, 28)], [square(5, 6)]) == [(28.0, 1, 0.5), (30.0, 1, 0.5)]
