"""SwapAxes: the mirror image at the main diagonal."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS


@TRANSFORMS.register_module()
class SwapAxes(BaseTransform):
    """Swap the rows and columns of a test image: with ``RandomFlip``'s three directions, all eight symmetries.

    For views at test time: ``CellTTAModel`` brings the predictions back, first from this, then from the flip.

    Required Keys: img, flip (of ``RandomFlip``, which comes first)

    Modified Keys: img, img_shape, ori_shape, scale_factor

    Added Keys: transposed
    """

    def transform(self, results: dict) -> dict:
        results['img'] = np.ascontiguousarray(results['img'].swapaxes(0, 1))
        for key in ('img_shape', 'ori_shape', 'scale_factor'):
            results[key] = tuple(results[key][1::-1])
        results['transposed'] = True
        return results
