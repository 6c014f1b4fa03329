"""Quarter turns."""

import numpy as np
import torch
from mmdet.structures.bbox import HorizontalBoxes

from mmcellseg.components.box_masks import BoxMasks
from mmcellseg.components.transforms.random_rotate90 import RandomRotate90, turn_boxes


def test_turn_boxes_by_hand():
    # In an image 10 px wide, the pixels x 1–3, y 2–7: turned, y runs from 10 - 3 to 10 - 1.
    assert turn_boxes(np.array([[1, 2, 3, 7]]), 10).tolist() == [[2, 7, 7, 9]]


def test_rotate90_turns_image_boxes_and_masks_alike():
    np.random.seed(0)
    seen = set()
    for _ in range(20):
        bitmaps = np.zeros((2, 6, 9), np.uint8)
        bitmaps[0, 1:3, 2:7], bitmaps[1, 4:6, 0:1] = 1, 1
        masks = BoxMasks.from_bitmaps(bitmaps)
        image = np.repeat(bitmaps.sum(0)[..., None], 3, axis=2).astype(np.uint8)
        boxes = HorizontalBoxes(torch.from_numpy(masks.tight_boxes().astype(np.float32)))
        out = RandomRotate90()({'img': image, 'gt_bboxes': boxes, 'gt_masks': masks})
        assert out['img_shape'] == out['img'].shape[:2]
        assert (out['img'][..., 0] == out['gt_masks'].to_bitmap().masks.sum(0)).all()
        assert (out['gt_bboxes'].tensor.numpy() == out['gt_masks'].tight_boxes()).all()
        seen.add(out['img'][..., 0].tobytes())
    assert len(seen) == 4


def test_rotate90_without_cells():
    masks = BoxMasks.from_bitmaps(np.zeros((0, 6, 9), np.uint8))
    np.random.seed(3)
    for _ in range(4):
        results = {'img': np.zeros((6, 9, 3), np.uint8), 'gt_bboxes': HorizontalBoxes(torch.zeros(0, 4))}
        out = RandomRotate90()(results | {'gt_masks': masks})
        assert (out['gt_masks'].height, out['gt_masks'].width) == out['img_shape']
        assert out['gt_bboxes'].tensor.shape == (0, 4)
