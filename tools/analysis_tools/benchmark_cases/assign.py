"""Assigning the anchors of the RPN to the cells of a dense image: ChunkedMaxIoUAssigner and MaxIoUAssigner."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.models.task_modules.assigners import MaxIoUAssigner
from mmdet.models.task_modules.prior_generators import AnchorGenerator
from mmengine.structures import InstanceData

from mmcellseg.components.models.chunked_max_iou_assigner import ChunkedMaxIoUAssigner

from .cells import densest_crop, densest_tile, random_cells
from .measure import Cost, measure, row

RPN: dict[str, Any] = {'pos_iou_thr': 0.7, 'neg_iou_thr': 0.3, 'min_pos_iou': 0.3}
STRIDES = [4, 8, 16, 32, 64]
# Scales of the anchors of 8 to 128 px and of MMDetection's own, 32 to 512 px.
SCALES = {'8–128': 2, '32–512': 8}


def _cost(kind: type[MaxIoUAssigner], cells: np.ndarray, size: int, scale: int, repeats: int) -> Cost:
    def prepare():
        generator = AnchorGenerator(strides=STRIDES, ratios=[0.5, 1.0, 2.0], scales=[scale])
        priors = torch.cat(generator.grid_priors([(-(-size // s),) * 2 for s in STRIDES], device='cpu'))
        labels = torch.zeros(len(cells), dtype=torch.long)
        state = InstanceData(priors=priors), InstanceData(bboxes=torch.from_numpy(cells), labels=labels)
        MaxIoUAssigner(**RPN).assign(state[0][:2000], state[1][:5])  # the first call loads torch's kernels
        return state

    return measure(prepare, lambda state: kind(**RPN).assign(*state), repeats)


def run(data: Path | None, quick: bool) -> list[dict]:
    """Random cells, and with data the densest 512 px crop; an uncropped tile without stock, which takes 20 GB."""
    number, size = (60, 128) if quick else (700, 512)
    sets = [(f'{number} random cells, {size} px crop', random_cells(number, size, size), size)]
    if data is None:
        sets.append(('2283 random cells, 1000 px', random_cells(2283, 1000, 1000), 1000))
    else:
        masks = densest_tile(data)[1]
        boxes = masks.tight_boxes().astype(np.float32)
        crop = densest_crop(boxes, masks.height, masks.width, size)
        side = max(masks.height, masks.width)
        sets.append((f'{len(crop)} real cells, {size} px crop', crop, size))
        sets.append((f'{len(boxes)} real cells, {side} px', boxes, side))
    rows = []
    for name, scale in SCALES.items():
        for what, cells, extent in sets[:1] if quick else sets:
            ours = _cost(ChunkedMaxIoUAssigner, cells, extent, scale, 3)
            stock = _cost(MaxIoUAssigner, cells, extent, scale, 2) if extent == size else None
            rows.append(row(f'{what}, anchors {name} px', ours, stock))
    return rows
