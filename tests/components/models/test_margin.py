"""Masks that go on beyond their box: region, target and pasted mask agree on where."""

import numpy as np
import pycocotools.mask as coco_mask
import torch
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from mmdet.models.task_modules.samplers import SamplingResult
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from mmcellseg.components.box_masks import BoxMasks
from mmcellseg.components.models.margin_roi_extractor import MarginRoIExtractor
from mmcellseg.components.models.rle_mask_head import RLEMaskHead, enlarge

HEAD = {'num_convs': 0, 'in_channels': 4, 'conv_out_channels': 4, 'num_classes': 1}


def targets(boxes: list, masks: BoxMasks, margin: float, size: int = 28, **config) -> torch.Tensor:
    """Those of positive proposals of which ``boxes[k]`` is of cell k."""
    sampled = SamplingResult.__new__(SamplingResult)
    sampled.pos_priors, sampled.pos_assigned_gt_inds = torch.tensor(boxes), torch.arange(len(boxes))
    head = RLEMaskHead(**HEAD, margin=margin)
    return head.get_targets([sampled], [InstanceData(masks=masks)], ConfigDict(mask_size=size, **config))


def pasted(masks: torch.Tensor, boxes: list, shape: tuple[int, int], margin: float) -> np.ndarray:
    """Bitmaps (N, H, W) of probabilities (N, h, w) predicted for boxes."""
    results = InstanceData(bboxes=torch.tensor(boxes), labels=torch.zeros(len(boxes), dtype=torch.long))
    meta = {'ori_shape': shape, 'scale_factor': (1.0, 1.0)}
    config = ConfigDict(mask_thr_binary=0.5)
    RLEMaskHead(**HEAD, margin=margin).predict_by_feat([masks[:, None].logit()], [results], [meta], config, True)
    assert results.bboxes.tolist() == boxes  # the box stays the detection's own
    return coco_mask.decode(results.masks).transpose(2, 0, 1)


def test_hand_computed_box_target_and_mask():
    found = enlarge(torch.tensor([[10.0, 20, 18, 36], [0, 0, 4, 4]]), 0.25)
    assert found.tolist() == [[8, 16, 20, 40], [-1, -1, 5, 5]]
    cell = np.zeros((1, 12, 12), np.uint8)
    cell[0, 4:8, 2:6] = 1
    box = [[4.0, 4, 6, 8]]  # the cell's right half; half its width more on each side: x from 3 to 7, y from 2 to 10
    found = targets(box, BoxMasks.from_bitmaps(cell), 0.5, size=8)
    # Columns of half a pixel: x from 3 to 6 is cell; rows of a pixel: y from 4 to 8.
    assert found[0].int().tolist() == [[0] * 8] * 2 + [[1, 1, 1, 1, 1, 1, 0, 0]] * 4 + [[0] * 8] * 2
    full = torch.full((1, 28, 28), 0.99)
    shown = pasted(full, [[4.0, 4, 8, 6]], (12, 12), 0.5)
    assert np.argwhere(shown[0]).min(0).tolist() == [3, 2]
    assert np.argwhere(shown[0]).max(0).tolist() == [6, 9]
    assert shown.sum() == 4 * 8


def test_a_cell_comes_back_whole_from_a_box_that_cuts_it(rng: np.random.Generator):
    """Also at the image's border, beyond which target and region go on."""
    centres = np.concatenate([rng.uniform(15, 81, (20, 2)), [[4, 40], [92, 92], [40, 3]]])
    y, x = np.mgrid[:96, :96] + 0.5
    truth = np.stack([((x - cx) ** 2 + (y - cy) ** 2 <= 81).astype(np.uint8) for cx, cy in centres])
    masks = BoxMasks.from_bitmaps(truth)
    boxes = masks.boxes + rng.uniform(-3, 3, (len(centres), 4))
    boxes = boxes.clip(0, 96).astype(np.float32).tolist()
    iou = {}
    for margin in (0.0, 0.25):
        soft = targets(boxes, masks, margin, soft_mask_target=True).clamp(0.001, 0.999)
        shown = pasted(soft, boxes, (96, 96), margin)
        iou[margin] = (shown & truth).sum((1, 2)) / (shown | truth).sum((1, 2))
    assert iou[0.25].min() > 0.94
    assert iou[0.0].min() < 0.85
    assert iou[0.0].mean() < iou[0.25].mean() - 0.03


def test_regions_are_stocks_of_the_enlarged_boxes():
    generator = torch.Generator().manual_seed(0)
    layer = {'type': 'RoIAlign', 'output_size': 7, 'sampling_ratio': 0}
    options = {'roi_layer': layer, 'out_channels': 3, 'featmap_strides': [4, 8]}
    feats = tuple(torch.rand(2, 3, side, side, generator=generator) for side in (24, 12))
    rois = torch.tensor([[0, 10.0, 12, 30, 40], [1, 4, 4, 90, 92], [1, 0, 0, 8, 8]])
    wide = torch.cat([rois[:, :1], enlarge(rois[:, 1:], 0.2)], 1)
    before = rois.clone()
    found = MarginRoIExtractor(margin=0.2, **options)(feats, rois)
    assert torch.equal(found, SingleRoIExtractor(**options)(feats, wide))
    assert torch.equal(rois, before)
