"""Assigning the anchors of the RPN to the cells of a dense image: ChunkedMaxIoUAssigner and MaxIoUAssigner."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.models.task_modules.assigners import MaxIoUAssigner
from mmdet.models.task_modules.prior_generators import AnchorGenerator
from mmengine.structures import InstanceData
from tqdm import tqdm

from mmcellseg.components.box_masks import BoxMasks
from mmcellseg.components.models.chunked_max_iou_assigner import ChunkedMaxIoUAssigner
from mmcellseg.data.tiff import read_label_map

from .measure import compare, measure

RPN: dict[str, Any] = {'pos_iou_thr': 0.7, 'neg_iou_thr': 0.3, 'min_pos_iou': 0.3}
STRIDES = [4, 8, 16, 32, 64]
# Scales of the anchors of 8 to 128 px and of MMDetection's own, 32 to 512 px.
SCALES = {'8–128': 2, '32–512': 8}


def random_cells(number: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """Boxes (N, 4) float32 xyxy of cells of 12 to 36 px anywhere in an image."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform(0, [width, height], (number, 2))
    size = rng.uniform(12, 36, (number, 2))
    boxes = np.concatenate([centre - size / 2, centre + size / 2], 1)
    return boxes.clip(0, [width, height] * 2).astype(np.float32)


def tile_cells(folder: Path) -> tuple[BoxMasks, np.ndarray]:
    """The masks of all classes of a training image's folder, and their classes from 0."""
    masks, labels = [], []
    for path in sorted(folder.glob('class*.tif')):
        masks.append(BoxMasks.from_label_map(read_label_map(path))[1])
        labels.append(np.full(len(masks[-1]), int(path.stem[5:]) - 1))
    return BoxMasks.cat(masks), np.concatenate(labels)


def densest_tile(data: Path) -> Path:
    """The folder of the training image with the most cells."""
    folders = sorted(f for f in (data / 'train').iterdir() if any(f.glob('class*.tif')))
    return max(tqdm(folders, desc='count cells', leave=False), key=lambda f: len(tile_cells(f)[0]))


def densest_crop(boxes: np.ndarray, height: int, width: int, size: int = 512) -> np.ndarray:
    """The boxes inside the crop that holds the most of them (searched in steps of 32 px), moved to it."""
    best = boxes[:0]
    for top in range(0, max(height - size, 0) + 1, 32):
        for left in range(0, max(width - size, 0) + 1, 32):
            moved = (boxes - [left, top, left, top]).clip(0, size)
            inside = moved[(moved[:, 2:] > moved[:, :2]).all(1)]
            best = inside if len(inside) > len(best) else best
    return best.astype(np.float32)


def _row(what: str, cells: np.ndarray, size: int, scale: int, with_stock: bool) -> dict:
    def prepare():
        generator = AnchorGenerator(strides=STRIDES, ratios=[0.5, 1.0, 2.0], scales=[scale])
        priors = torch.cat(generator.grid_priors([(-(-size // s),) * 2 for s in STRIDES], device='cpu'))
        labels = torch.zeros(len(cells), dtype=torch.long)
        state = InstanceData(priors=priors), InstanceData(bboxes=torch.from_numpy(cells), labels=labels)
        MaxIoUAssigner(**RPN).assign(state[0][:2000], state[1][:5])  # the first call loads torch's kernels
        return state

    def assign(kind: type[MaxIoUAssigner]) -> Callable[[Any], object]:
        return lambda state: kind(**RPN).assign(*state)

    ours = measure(prepare, assign(ChunkedMaxIoUAssigner))
    if not with_stock:
        return {'what': what, 'ours s': ours.seconds, 'ours MB': ours.megabytes}
    return compare(what, ours, measure(prepare, assign(MaxIoUAssigner), repeats=2))


def run(data: Path | None, quick: bool) -> list[dict]:
    """Random cells, and with data the densest 512 px crop; an uncropped tile without stock, which takes 20 GB."""
    number, size = (60, 128) if quick else (700, 512)
    sets = [(f'{number} random cells, {size} px crop', random_cells(number, size, size), size, True)]
    if data is None:
        sets.append(('2283 random cells, 1000 px', random_cells(2283, 1000, 1000), 1000, False))
    else:
        masks = tile_cells(densest_tile(data))[0]
        boxes = masks.tight_boxes().astype(np.float32)
        crop = densest_crop(boxes, masks.height, masks.width, size)
        side = max(masks.height, masks.width)
        sets.append((f'{len(crop)} real cells, {size} px crop', crop, size, True))
        sets.append((f'{len(boxes)} real cells, {side} px', boxes, side, False))
    rows = []
    for name, scale in SCALES.items():
        for what, cells, extent, with_stock in sets[:1] if quick else sets:
            rows.append(_row(f'{what}, anchors {name} px', cells, extent, scale, with_stock))
    return rows
