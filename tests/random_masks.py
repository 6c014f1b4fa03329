"""Masks that writers and readers of cells are tried on."""

import numpy as np

from mmcellseg.export.cells import CellClass, Cells
from mmcellseg.structures.masks import InstanceMasks

CLASSES = (CellClass(3, 'Tumour "x"', (200, 0, 0)), CellClass(7, 'Immune, ß', (0, 0, 200)))


def bitmaps(rng: np.random.Generator, number: int, height: int, width: int) -> np.ndarray:
    """(N, H, W) uint8: noise with holes, corners that touch and many pieces, discs with holes, pixels, full and empty
    masks, in windows that often reach the image's border."""
    out = np.zeros((number, height, width), np.uint8)
    for bitmap in out:
        h, w = rng.integers(1, height + 1), rng.integers(1, width + 1)
        y, x = rng.choice([0, height - h]), rng.choice([0, width - w])
        window = bitmap[y : y + h, x : x + w]
        kind = rng.integers(4)
        if kind == 0:
            window[rng.integers(h), rng.integers(w)] = 1
        elif kind == 1:
            rows, cols = np.ogrid[:h, :w]
            far = np.hypot(rows - h / 2, cols - w / 2)
            window[(far < min(h, w) / 2) & (far > rng.choice([0, min(h, w) / 4]))] = 1
        else:
            window[rng.random((h, w)) < rng.choice([0.3, 0.5, 0.7, 0.9, 1.0])] = 1
    return out


def random_cells(rng: np.random.Generator, number: int, height: int, width: int, apart: bool = False) -> Cells:
    """Cells with ties in their scores; ``apart``: no two have a pixel in common."""
    masks = bitmaps(rng, number, height, width)
    if apart:
        masks[np.cumsum(masks, axis=0) > 1] = 0
    boxes = InstanceMasks.from_bitmaps(masks)
    return Cells(
        boxes.tight_boxes().astype(float),
        rng.integers(1, 8, number) / 8,
        rng.choice([3, 7], number),
        boxes,
        CLASSES,
        rng.random(number),
        0.25,
    )
