"""LoadTiffImage: the project's one reader as a pipeline step."""

import os

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS

from ...data.tiff import ImageReadError, Scale, check_scale, read_image


@TRANSFORMS.register_module()
class LoadTiffImage(BaseTransform):
    """Load a TIFF (or PNG or JPEG) image of any integer or float type as uint8 (H, W, 3).

    ``scale_factor`` is set because a test pipeline without Resize needs it: MMDetection's heads divide by it. For
    notebooks, a path or an image may stand in place of the dict.

    Required Keys:

    - img_path, or
    - img: uint8 (H, W, 3), taken as it is, its channels in ``channel_order``

    Modified Keys:

    - img
    - img_shape
    - ori_shape
    - scale_factor (1.0, 1.0)

    Args:
        channel_order: 'bgr', what MMDetection's data preprocessors mean by default, or 'rgb'.
        scale: How values become 0–255, see :func:`mmcellseg.data.tiff.read_image`.
        page: Which page of a TIFF, from 0.
    """

    def __init__(self, channel_order: str = 'bgr', scale: Scale = 'dtype', page: int = 0) -> None:
        if channel_order not in ('bgr', 'rgb'):
            raise ValueError(f"channel_order must be 'bgr' or 'rgb', but is {channel_order!r}")
        check_scale(scale)
        self.channel_order, self.scale, self.page = channel_order, scale, page

    def transform(self, results: dict | str | os.PathLike | np.ndarray) -> dict:
        if isinstance(results, np.ndarray):
            results = {'img': results}
        elif not isinstance(results, dict):
            results = {'img_path': os.fspath(results)}
        if 'img' in results:
            image = results['img']
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
                raise ImageReadError(
                    f'LoadTiffImage: found an array of {image.dtype} {image.shape}, expected uint8 (H, W, 3) with '
                    f'channels in the order {self.channel_order}; mmcellseg.data.tiff.read_image reads any TIFF as RGB'
                )
        else:
            image = read_image(results['img_path'], page=self.page, scale=self.scale)
            if self.channel_order == 'bgr':
                image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        results['img'] = image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        results['scale_factor'] = (1.0, 1.0)
        return results
