"""Annotations with box-local masks."""

import pycocotools.mask as mask_utils
from mmdet.datasets.transforms import LoadAnnotations
from mmdet.registry import TRANSFORMS

from ..box_masks import BoxMasks


def to_rle(mask: dict | list, height: int, width: int) -> dict:
    """The RLE of an annotation's segmentation, which may be polygons."""
    return mask_utils.merge(mask_utils.frPyObjects(mask, height, width)) if isinstance(mask, list) else mask


@TRANSFORMS.register_module()
class LoadCellAnnotations(LoadAnnotations):
    """MMDetection's ``LoadAnnotations`` whose masks never take more than their own boxes.

    Boxes, labels and ignore flags are the stock ones. RLEs, all of an image at once, and polygons become
    :class:`BoxMasks`; nothing is cached. Transforms that read ``gt_masks.masks`` (CopyPaste, RandomErasing, …)
    need the stock loading instead.

    Required Keys:

    - ori_shape
    - instances, each with bbox, bbox_label, ignore_flag and mask (COCO RLE dict or polygons)

    Added Keys:

    - gt_bboxes, gt_bboxes_labels, gt_ignore_flags
    - gt_masks (BoxMasks)

    Args:
        with_mask: Whether to load masks.
        **kwargs: See ``LoadAnnotations``.
    """

    def __init__(self, with_mask: bool = True, **kwargs) -> None:
        super().__init__(with_mask=with_mask, **kwargs)
        if not self.poly2mask:
            raise ValueError('LoadCellAnnotations makes box-local bitmaps: expected poly2mask=True, found False')

    def _load_masks(self, results: dict) -> None:
        height, width = results['ori_shape']
        masks = self._process_masks(results)  # the stock rules of what is to be ignored
        rles = [to_rle(mask, height, width) for mask in masks]
        try:
            results['gt_masks'] = BoxMasks.from_rles(rles, height, width)
        except ValueError as error:
            raise ValueError(f'{results.get("img_path")}: mask of an annotation: {error}') from error
