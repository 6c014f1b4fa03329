"""Mask targets of positive proposals on a 512 px crop with 300 cells: BoxMasks and BitmapMasks."""

from pathlib import Path

import numpy as np
import torch
from mmdet.structures.mask import mask_target
from mmengine.config import ConfigDict

from mmcellseg.components.box_masks import BoxMasks

from .cells import densest_tile, ellipses, random_cells
from .measure import measure, row

CONFIG = ConfigDict(mask_size=28)


def _crop(masks: BoxMasks, size: int, number: int) -> BoxMasks:
    """At most ``number`` cells of the middle of the image, drawn at random."""
    top, left = max(masks.height - size, 0) // 2, max(masks.width - size, 0) // 2
    cropped = masks.crop(np.array([left, top, left + size, top + size]))
    inside = np.flatnonzero(cropped.areas)
    return cropped[np.sort(np.random.default_rng(0).permutation(inside)[:number])]


def _row(masks: BoxMasks, number: int, repeats: int) -> dict:
    """Proposals are boxes about 2 px off the cells."""
    rng = np.random.default_rng(1)
    owners = rng.integers(0, len(masks), number)
    shifted = masks.tight_boxes()[owners] + rng.normal(0, 2, (number, 4))
    shifted[:, 2:] = np.maximum(shifted[:, 2:], shifted[:, :2] + 1)
    boxes, assigned = torch.from_numpy(shifted).float(), torch.from_numpy(owners)

    def cost(convert, times: int):
        def prepare():
            torch.set_num_threads(1)
            return convert(masks)

        return measure(prepare, lambda m: mask_target([boxes.clone()], [assigned], [m], CONFIG), times)

    what = f'targets of {number} proposals, {len(masks)} cells, {masks.width}×{masks.height} px'
    return row(what, cost(lambda m: m, 10 * repeats), cost(BoxMasks.to_bitmap, repeats))


def run(data: Path | None, quick: bool) -> list[dict]:
    whole = densest_tile(data)[1] if data else ellipses(random_cells(300, 512, 512), 512, 512)
    if quick:
        return [_row(_crop(whole, 256, 300), 64, 1)]
    dense = _crop(whole, 512, 300)
    rows = [_row(dense, number, 3) for number in (128, 512)]  # a stage's usual positives, and every proposal
    return rows if data is None else [*rows, _row(whole, 128, 2)]
