"""RandomRotate90: quarter turns, exact for images, boxes and masks."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes, get_box_tensor

from ..box_masks import BoxMasks


def turn_boxes(boxes: np.ndarray, width: int) -> np.ndarray:
    """Boxes (N, 4) xyxy of an image of that width in px, after a quarter turn against the clock (np.rot90)."""
    return np.stack([boxes[:, 1], width - boxes[:, 2], boxes[:, 3], width - boxes[:, 0]], axis=1)


@TRANSFORMS.register_module()
class RandomRotate90(BaseTransform):
    """Turn the image by 0, 90, 180 or 270 degrees, each as likely as the others.

    Tissue has no upright. Nothing is interpolated, so that masks keep every pixel. Draws from numpy's global
    generator, as MMDetection's transforms do.

    Required Keys: img

    Modified Keys: img, img_shape, and gt_bboxes (HorizontalBoxes), gt_masks (BoxMasks) where they are there
    """

    def transform(self, results: dict) -> dict:
        for _ in range(np.random.randint(4)):
            width = results['img'].shape[1]
            results['img'] = np.rot90(results['img'])
            if 'gt_bboxes' in results:
                boxes = get_box_tensor(results['gt_bboxes'])
                turned = turn_boxes(boxes.numpy(), width)
                results['gt_bboxes'] = HorizontalBoxes(boxes.new_tensor(turned).reshape(-1, 4))
            if 'gt_masks' in results:
                masks = results['gt_masks']
                windows = [np.rot90(window) for window in masks.windows()]
                results['gt_masks'] = BoxMasks.from_windows(
                    turn_boxes(masks.boxes, width), windows, width, masks.height
                )
        results['img'] = np.ascontiguousarray(results['img'])
        results['img_shape'] = results['img'].shape[:2]
        return results
