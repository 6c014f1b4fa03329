"""A mask head whose predictions are RLEs, pasted in their own boxes only."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from mmdet.models.roi_heads.mask_heads import FCNMaskHead
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from torch import Tensor

from ...structures.ragged import batches, offsets
from ..box_masks import BoxMasks

# Pixels pasted and encoded at one time; they take about 50 bytes each on the way. A larger mask goes alone.
BATCH_PIXELS = 2**19


def paste_windows(boxes: Tensor, height: int, width: int, mask_size: Sequence[int], whole_image: bool) -> np.ndarray:
    """Where a pasted mask may have foreground: (N, 4) int32 xyxy, half-open, zeros where there is nothing to paste.

    On the CPU these are the very windows that stock MMDetection pastes in: the box, rounded outwards, and one
    pixel; for boxes outside the image, or not finite, stock raises an error. Elsewhere (``whole_image``) stock pastes
    on the whole image, so the window goes on to where the interpolation with the zeros around the mask ends, half a
    mask pixel outside the box; a box without width or height fills the image in that direction, as it does in stock.
    """
    boxes = boxes.to(torch.promote_types(boxes.dtype, torch.float32))  # half precision does not hold every image size
    image = boxes.new_tensor([width, height])
    low, high = boxes[:, :2], boxes[:, 2:]
    if not whole_image:
        low, high = low.floor() - 1, high.ceil() + 1
    else:
        low, high = torch.minimum(low, high), torch.maximum(low, high)
        extent = high - low
        margin = extent / (2 * boxes.new_tensor([mask_size[1], mask_size[0]])) + 2
        flat = extent < 1e-30
        low = torch.where(flat, 0, (low - margin).floor())
        high = torch.where(flat, image, (high + margin).ceil())
    windows = torch.cat([low.clamp(min=0), torch.minimum(high, image)], 1)
    keep = boxes.isfinite().all(1) & (windows[:, :2] < windows[:, 2:]).all(1)
    return torch.where(keep[:, None], windows, 0).int().cpu().numpy()


def paste(masks: Tensor, boxes: Tensor, windows: np.ndarray, threshold: float) -> np.ndarray:
    """The pixels of the windows (N, 4), row by row, end to end, uint8: masks (N, 1, h, w) in their boxes (N, 4).

    The arithmetic of each pixel is that of mmdet's ``_do_paste_mask``, operation for operation.
    """
    width, height = (windows[:, 2:] - windows[:, :2]).T[..., None]
    rows, columns = np.arange(height.max()), np.arange(width.max())
    x0, y0, x1, y1 = torch.split(boxes, 1, dim=1)
    x = torch.from_numpy(windows[:, :1] + columns).to(boxes.device, torch.float32) + 0.5
    y = torch.from_numpy(windows[:, 1:2] + rows).to(boxes.device, torch.float32) + 0.5
    x = (x - x0) / (x1 - x0) * 2 - 1
    y = (y - y0) / (y1 - y0) * 2 - 1
    grid = x.new_empty(len(boxes), len(rows), len(columns), 2)
    grid[..., 0] = torch.where(x.isinf(), 0, x)[:, None, :]
    grid[..., 1] = torch.where(y.isinf(), 0, y)[:, :, None]
    pixels = F.grid_sample(masks.to(torch.float32), grid, align_corners=False)[:, 0] >= threshold
    inside = (rows < height)[:, :, None] & (columns < width)[:, None, :]
    return pixels.cpu().numpy()[inside].view(np.uint8)


def paste_as_rles(
    masks: Tensor, boxes: Tensor, height: int, width: int, threshold: float, whole_image: bool
) -> list[dict]:
    """Masks as COCO RLEs of the image they are pasted in, in memory bounded by BATCH_PIXELS or the largest mask.

    Args:
        masks: (N, 1, h, w) probabilities.
        boxes: (N, 4) xyxy in px of the image.
        height, width: Size of the image in px.
        threshold: Pixels of at least this probability are foreground; above 0.
        whole_image: As stock does off the CPU, see :func:`paste_windows`.
    """
    windows = paste_windows(boxes, height, width, masks.shape[-2:], whole_image)
    size = (windows[:, 2:] - windows[:, :2]).astype(np.int64)
    area = size.prod(1)
    # Windows of about a size are pasted together: sides rounded up by less than a quarter, small ones to fours.
    step = 2 ** np.maximum(np.log2(np.maximum(size, 1)).astype(np.int64) - 2, 2)
    bucket = -(-size // step) * step
    order = np.lexsort((bucket[:, 0], bucket[:, 1], area == 0))
    rles: list[dict] = [{} for _ in range(len(boxes))]
    for part in batches(area[order], BATCH_PIXELS):
        chosen = order[part]
        filled = chosen[area[chosen] > 0]
        changes = np.flatnonzero((bucket[filled][1:] != bucket[filled][:-1]).any(1)) + 1
        bits: list[np.ndarray] = [np.zeros(0, np.uint8)]
        for alike in np.split(filled, changes):
            if len(alike):
                index = torch.from_numpy(alike).to(boxes.device)
                bits.append(paste(masks[index], boxes[index], windows[alike], threshold))
        batch = BoxMasks(height, width, windows[chosen], offsets(area[chosen]), np.concatenate(bits))
        for i, encoded in zip(chosen.tolist(), batch.to_rles()):
            rles[i] = encoded
    return rles


@MODELS.register_module()
class RLEMaskHead(FCNMaskHead):
    """FCNMaskHead that predicts a list of COCO RLEs instead of a tensor (N, H, W).

    The RLEs are equal to the last byte to what mmdet's ``encode_mask_results`` makes of FCNMaskHead's masks on the
    same device. For an image without detections, ``pred_instances.masks`` is an empty tensor (0, H, W), which comes
    from the RoI head. ``mask_thr_binary`` must be above 0. Of the visualisers only ``CellVisualizer`` draws RLEs.
    """

    def _predict_by_feat_single(
        self,
        mask_preds: Tensor,
        bboxes: Tensor,
        labels: Tensor,
        img_meta: dict,
        rcnn_test_cfg: ConfigDict,
        rescale: bool = False,
        activate_map: bool = False,
    ) -> list[dict]:
        """RLEs of the masks (N, num_classes, h, w) of one image; rescales ``bboxes`` (N, 4) in place."""
        img_meta = {'scale_factor': (1.0, 1.0), **img_meta}  # no Resize, no scale: any reader will do
        scale = bboxes.new_tensor(img_meta['scale_factor'])
        height, width = img_meta['ori_shape'][:2]
        # The sigmoid goes over all classes, as in stock: its last bits may depend on the tensor's extent.
        masks = mask_preds.to(bboxes.dtype) if activate_map else mask_preds.sigmoid()
        if rescale:
            bboxes /= scale.repeat((1, 2))
        else:
            height, width = np.round(height * scale[1].item()), np.round(width * scale[0].item())
        if not self.class_agnostic:
            masks = masks[torch.arange(len(masks), device=labels.device), labels][:, None]
        whole_image = bboxes.device.type != 'cpu'
        threshold = rcnn_test_cfg.mask_thr_binary
        return paste_as_rles(masks, bboxes, int(height), int(width), threshold, whole_image)
