"""MMDetection's face of :class:`~mmcellseg.structures.masks.InstanceMasks`."""

from collections.abc import Callable
from typing import NoReturn, Self

import mmcv
import numpy as np
import torch
from mmdet.structures.bbox import BaseBoxes, HorizontalBoxes
from mmdet.structures.mask import BitmapMasks
from mmdet.structures.mask.structures import BaseInstanceMasks

from ..structures.masks import InstanceMasks, refuse_border
from .models.roi_targets import roi_targets

_CHUNK = 64  # full bitmaps at a time where the stock operation does the work


@BitmapMasks.register  # MMDetection asks isinstance where it turns masks into arrays, as for browse_dataset.py
class BoxMasks(InstanceMasks, BaseInstanceMasks):
    """Instance masks that take memory for their own boxes only, wherever MMDetection takes masks.

    Equal to :class:`mmdet.structures.mask.BitmapMasks` of dtype uint8 bit for bit in all its operations, except
    that borders and padding other than 0 are refused (they would make each mask as large as the image).
    """

    @classmethod
    def random(cls, num_masks=3, height=32, width=32, dtype=np.uint8, rng=None) -> Self:
        """See ``BitmapMasks.random``."""
        return cls.from_bitmaps(BitmapMasks.random(num_masks, height, width, dtype, rng).masks)

    def to_bitmap(self) -> BitmapMasks:
        """Stock masks of N×H×W bytes."""
        return BitmapMasks(self.to_ndarray(), self.height, self.width)

    def to_tensor(self, dtype, device) -> torch.Tensor:
        """Full bitmaps (N, H, W)."""
        return torch.tensor(self.to_ndarray(), dtype=dtype, device=device)

    @property
    def masks(self) -> NoReturn:
        raise AttributeError(
            'BoxMasks has no .masks: it never makes full-size bitmaps. Operations that read them (CopyPaste, '
            'RandomErasing, Albu, and any that index or write mask.masks) need bitmaps: pass .to_bitmap(), which '
            'takes N x H x W bytes, or load with the stock LoadAnnotations.'
        )

    def __getitem__(self, index) -> Self:
        """Masks of an int, slice, bool or int array or tensor; always a ``BoxMasks``, as with ``BitmapMasks``."""
        return super().__getitem__(index.cpu().numpy() if isinstance(index, torch.Tensor) else index)

    def get_bboxes(self, dst_type='hbox') -> BaseBoxes:
        """Tight boxes of a type that MMDetection registers ('hbb', the stock default, means 'hbox')."""
        boxes = HorizontalBoxes(torch.from_numpy(self.tight_boxes().astype(np.float32)))
        return boxes if dst_type == 'hbb' else boxes.convert_to(dst_type)

    def rescale(self, scale, interpolation: str = 'nearest') -> Self:
        """Resize with the aspect ratio kept; ``scale`` is a factor or the largest (h, w), see mmcv.imrescale."""
        new_w, new_h = mmcv.rescale_size((self.width, self.height), scale)
        return self.resize((new_h, new_w), interpolation)

    def resize(self, out_shape: tuple[int, int], interpolation: str = 'nearest') -> Self:
        """Resize to (h, w)."""
        if interpolation == 'nearest':
            return self.resize_nearest(out_shape)
        return self._as_stock(out_shape, lambda masks: masks.resize(out_shape, interpolation))

    def rotate(self, out_shape, angle, center=None, scale=1.0, border_value=0, interpolation='bilinear') -> Self:
        """See ``BitmapMasks.rotate``."""
        refuse_border('border_value', border_value)
        return self._as_stock(out_shape, lambda masks: masks.rotate(out_shape, angle, center, scale, 0, interpolation))

    def shear(self, out_shape, magnitude, direction='horizontal', border_value=0, interpolation='bilinear') -> Self:
        """See ``BitmapMasks.shear``."""
        refuse_border('border_value', border_value)
        return self._as_stock(out_shape, lambda masks: masks.shear(out_shape, magnitude, direction, 0, interpolation))

    def translate(self, out_shape, offset, direction='horizontal', border_value=0, interpolation='bilinear') -> Self:
        """See ``BitmapMasks.translate``; an unknown direction is an error without masks, too."""
        refuse_border('border_value', border_value)
        if direction not in ('horizontal', 'vertical', 'both'):
            raise ValueError(
                f"translate: expected the direction 'horizontal', 'vertical' or 'both', found {direction!r}"
            )
        return self._as_stock(out_shape, lambda masks: masks.translate(out_shape, offset, direction, 0, interpolation))

    def _as_stock(self, out_shape: tuple[int, int], function: Callable[[BitmapMasks], BitmapMasks]) -> Self:
        """``function`` of a few bitmaps at a time: all of them at once would fill the memory, and the stock
        functions fail above 512."""
        chunks = [self[k : k + _CHUNK] for k in range(0, len(self), _CHUNK)]
        done = [self.from_bitmaps(function(chunk.to_bitmap()).masks) for chunk in chunks]
        return self.cat(done) if done else self.from_windows(self.boxes, [], *out_shape)

    def crop_and_resize(
        self, bboxes, out_shape, inds, device='cpu', interpolation='bilinear', binarize=True
    ) -> BitmapMasks:
        """Targets of the boxes (K, 4) xyxy, box k of the mask ``inds[k]``, see ``BitmapMasks.crop_and_resize``."""
        if not len(self) or not len(bboxes):
            return BitmapMasks(np.zeros((0, *out_shape), np.uint8), *out_shape)
        rois = torch.as_tensor(bboxes).to(device)
        owners = torch.as_tensor(inds).cpu().numpy()
        targets = roi_targets(self.boxes, self.windows(), (self.height, self.width), rois, owners, out_shape)
        return BitmapMasks((targets >= 0.5 if binarize else targets).cpu().numpy(), *out_shape)
