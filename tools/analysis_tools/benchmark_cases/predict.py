"""Pasting and encoding predicted masks: RLEMaskHead, and FCNMaskHead with mmdet's encode_mask_results."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from mmdet.models.roi_heads.mask_heads import FCNMaskHead
from mmdet.structures.mask import encode_mask_results
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from mmcellseg.components.models.rle_mask_head import RLEMaskHead

from .cells import densest_tile, random_cells
from .measure import Cost, measure, row

CLASSES = 4


def _prepare(boxes: np.ndarray, height: int, width: int, head: type[FCNMaskHead]) -> Callable[[int], list[dict]]:
    """A call that predicts the masks of one image from logits that make a disc with a ragged edge."""
    generator = torch.Generator().manual_seed(0)
    axis = torch.linspace(-1, 1, 28)
    disc = 4 - 5 * (axis[:, None] ** 2 + axis**2)
    logits = disc + torch.randn(len(boxes), CLASSES, 28, 28, generator=generator)
    labels = torch.randint(0, CLASSES, (len(boxes),), generator=generator)
    meta = {'ori_shape': (height, width), 'scale_factor': (1.0, 1.0)}
    model = head(num_convs=0, num_classes=CLASSES)

    def predict(number: int) -> list[dict]:
        results = InstanceData(bboxes=torch.from_numpy(boxes[:number].copy()), labels=labels[:number])
        config = ConfigDict(mask_thr_binary=0.5)
        masks = model.predict_by_feat([logits[:number]], [results], [meta], config, rescale=True)[0].masks
        return masks if isinstance(masks, list) else encode_mask_results(masks.numpy())

    predict(2)  # the first call loads torch's kernels
    return predict


def _cost(head: type[FCNMaskHead], boxes: np.ndarray, height: int, width: int) -> Cost:
    return measure(lambda: _prepare(boxes, height, width, head), lambda predict: predict(len(boxes)))


def run(data: Path | None, quick: bool) -> list[dict]:
    """1,000 detections on 1000×1000 px (with data: on the densest tile), and 2,000 on 2500×2000 px without stock."""
    number, height, width = (50, 200, 200) if quick else (1000, 1000, 1000)
    kind, boxes = 'random', random_cells(number, height, width)
    if data is not None:
        masks = densest_tile(data)[1]
        cells = np.random.default_rng(0).permutation(masks.tight_boxes())
        kind, height, width = 'real', masks.height, masks.width
        boxes = cells[:number].astype(np.float32)
    what = f'{len(boxes)} detections ({kind} boxes), {height}×{width} px'
    rows = [row(what, *(_cost(head, boxes, height, width) for head in (RLEMaskHead, FCNMaskHead)))]
    if not quick:
        large = _cost(RLEMaskHead, random_cells(2000, 2500, 2000), 2500, 2000)
        rows.append(row('2000 detections, 2500×2000 px', large))
    return rows
