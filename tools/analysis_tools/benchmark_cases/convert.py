"""A label map's RLEs: one pass over it, or one full-size mask an id."""

from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as mask_utils

from mmcellseg.components.box_masks import BoxMasks
from mmcellseg.data.check import integer_ids
from mmcellseg.data.tiff import read_values

from .measure import measure, row


def draw_tile(cells_a_side: int, size: int) -> np.ndarray:
    """A label map (size, size) of touching ellipses on a jittered grid, ids with gaps, float64 as on disk."""
    rng = np.random.default_rng(0)
    step = size / cells_a_side
    label_map = np.zeros((size, size), np.int32)
    for number, cell in enumerate(rng.permutation(cells_a_side**2).tolist(), start=1):
        centre = (np.array(divmod(cell, cells_a_side)) + 0.5 + rng.uniform(-0.15, 0.15, 2)) * step
        axes = rng.uniform(0.35, 0.6, 2) * step
        angle = float(rng.uniform(0, 180))
        shape = (centre.round().astype(int).tolist(), axes.round().astype(int).tolist(), angle, 0, 360)
        cv2.ellipse(label_map, *shape, color=3 * number, thickness=-1)
    return label_map.astype(np.float64)


def densest(data: Path) -> np.ndarray:
    """The class file of the data set with the most ids."""
    maps = (read_values(path) for path in sorted(data.glob('train/*/class*.tif')))
    return max(maps, key=lambda label_map: len(np.unique(label_map)))


def one_pass(label_map: np.ndarray) -> list[bytes]:
    _, masks = BoxMasks.from_label_map(integer_ids(label_map, '', '')[0])
    return [rle['counts'] for rle in masks.to_rles()]


def one_mask_an_id(label_map: np.ndarray) -> list[bytes]:
    ids = np.unique(label_map)
    return [mask_utils.encode(np.asfortranarray(label_map == i, dtype=np.uint8))['counts'] for i in ids[ids != 0]]


def run(data: Path | None, quick: bool) -> list[dict]:
    """One row: the RLEs of a tile of 2,500 cells (400 if ``quick``), or of the data set's densest class file."""
    label_map = densest(data) if data else draw_tile(*((20, 400) if quick else (50, 1000)))
    ours, stock = one_pass(label_map), one_mask_an_id(label_map)
    if ours != stock:
        raise AssertionError('the RLEs differ from those of pycocotools')
    height, width = label_map.shape
    costs = [measure(lambda: label_map, way, n) for way, n in ((one_pass, 5), (one_mask_an_id, 1))]
    return [row(f'{len(ours)} cells, {height} × {width} px, byte-equal', *costs)]
