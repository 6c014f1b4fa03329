"""Cells of tiles joined at the seams, against the same detector on the whole image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from local_detector import blobs, components, content

from mmcellseg.export.cells import Cells, join
from mmcellseg.slides.seams import Seams, match_one_to_one
from mmcellseg.slides.tiles import Grid
from mmcellseg.structures.masks import InstanceMasks


def tiled(
    image: np.ndarray, grid: Grid, skipped: np.ndarray | None = None, **options
) -> tuple[Cells | None, list[int]]:
    """All cells, and how many views wait after each row."""
    seams, out, waiting = Seams(grid, skipped=skipped, **options), [], []
    for row in range(len(grid.tops)):
        tiles = np.arange(row * len(grid.lefts), (row + 1) * len(grid.lefts))
        tiles = tiles if skipped is None else tiles[~skipped[tiles]]
        found = [(t, components(image[y0:y1, x0:x1])) for t, (x0, y0, x1, y1) in zip(tiles, grid.boxes(tiles).tolist())]
        done = seams.add_row(row, found)
        out += [] if done is None else [done]
        waiting.append(len(seams._tiles))
    return (join(out) if out else None), waiting


@settings(max_examples=150, deadline=None)
@given(
    size=st.tuples(st.integers(5, 120), st.integers(5, 120)),
    tile=st.integers(12, 60),
    share=st.floats(0.15, 0.85),
    touch=st.integers(0, 2),
    seed=st.integers(0, 2**32 - 1),
)
def test_tiles_give_what_the_whole_image_gives(size, tile, share, touch, seed):
    overlap = min(max(4, round(share * tile)), tile - 1)
    image = blobs(np.random.default_rng(seed), *size, number=60, largest=overlap - 2)
    cells, waiting = tiled(image, Grid.cover(*size, tile, overlap), touch=touch)
    assert content(cells) == content(components(image))
    assert waiting[-1] == 0
