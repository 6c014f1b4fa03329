"""MMDetection's face of :class:`~mmcellseg.structures.masks.InstanceMasks`."""

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any, NoReturn, Self

import mmcv
import numpy as np
import torch
from mmdet.structures.bbox import BaseBoxes, HorizontalBoxes
from mmdet.structures.mask import BitmapMasks
from mmdet.structures.mask.structures import BaseInstanceMasks

from ..structures.masks import InstanceMasks, refuse_border
from .models.roi_targets import roi_targets

_CHUNK = 64  # full bitmaps at a time where the stock operation does the work


def _by_bitmaps(stock: Callable[..., BitmapMasks]) -> Callable:
    """A stock operation on a few bitmaps at a time: all at once would fill the memory, and it fails above 512."""

    @wraps(stock)
    def method(masks: 'BoxMasks', out_shape: tuple[int, int], *args: Any, **kwargs: Any) -> 'BoxMasks':
        given = signature(stock).bind(None, out_shape, *args, **kwargs).arguments
        refuse_border('border_value', given.get('border_value', 0))
        if given.get('direction', 'both') not in ('horizontal', 'vertical', 'both'):
            raise ValueError(
                f"{stock.__name__}: expected the direction 'horizontal', 'vertical' or 'both', "
                f'found {given["direction"]!r}'
            )
        chunks = [masks[k : k + _CHUNK].to_bitmap() for k in range(0, len(masks), _CHUNK)]
        done = [masks.from_bitmaps(stock(chunk, out_shape, *args, **kwargs).masks) for chunk in chunks]
        return masks.cat(done) if done else masks.from_windows(masks.boxes, [], *out_shape)

    return method


_smooth = _by_bitmaps(BitmapMasks.resize)


@BitmapMasks.register  # MMDetection asks isinstance where it turns masks into arrays, as for browse_dataset.py
class BoxMasks(InstanceMasks, BaseInstanceMasks):
    """Instance masks that take memory for their own boxes only, wherever MMDetection takes masks.

    Equal to :class:`mmdet.structures.mask.BitmapMasks` of dtype uint8 bit for bit in all its operations, except
    that borders and padding other than 0 are refused (they would make each mask as large as the image).
    """

    @classmethod
    def of(cls, masks: Any, height: int = 0, width: int = 0) -> Self:
        """From RLEs of an image's size, arrays or tensors (N, H, W), or masks of any class."""
        if isinstance(masks, cls):
            return masks
        if isinstance(masks, list):
            return cls.from_rles(masks, height, width)
        masks = masks.to_ndarray() if isinstance(masks, BaseInstanceMasks) else masks
        return cls.from_bitmaps(masks.cpu().numpy() if isinstance(masks, torch.Tensor) else masks)

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
        return self.resize_nearest(out_shape) if interpolation == 'nearest' else _smooth(self, out_shape, interpolation)

    rotate, shear, translate = map(_by_bitmaps, (BitmapMasks.rotate, BitmapMasks.shear, BitmapMasks.translate))

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
