"""Mask targets of regions of interest, from the cells' own windows.

RoIAlign (He et al. 2017, Mask R-CNN, section 3; mmcv's ``aligned=True``, adaptive sampling, average) reads a
mask at a grid of points and averages them bin by bin. Grid, bilinear weights and the rule for points outside
the image each split into a part for y and a part for x, so one region's output is ``A_y · mask · A_xᵀ``; and as
a mask is 0 outside its window, only the window's rows and columns count. Equal to the stock operation up to the
rounding of float sums, at a cost that does not know the image.
"""

import numpy as np
import torch

_ELEMENTS = 1 << 21  # numbers of the largest temporary; 16 MB


def axis_weights(
    low: torch.Tensor, high: torch.Tensor, bins: int, size: int, first: torch.Tensor, length: int
) -> torch.Tensor:
    """What each pixel contributes to each bin along one axis.

    Args:
        low, high: (K,) the regions' ends, in px.
        size: The image's extent along the axis, in px.
        first: (K,) where each window begins; ``length`` px are returned from there.

    Returns:
        (K, bins, length) float64: products of them are shortened neither by autocast nor by TF32.
    """
    start = low - 0.5
    extent = (high - 0.5) - start
    step = extent / bins
    points = step.ceil().clamp(min=0)  # a bin, as in mmcv's roi_align.cpp
    places = torch.arange(length, device=low.device) + first[:, None]
    weights = low.new_zeros(len(low), bins, length)
    bin_start = start[:, None] + torch.arange(bins, device=low.device) * step[:, None]
    for k in range(int(points.max()) if len(points) else 0):
        at = bin_start + ((k + 0.5) * step / points.clamp(min=1))[:, None]
        read = (at >= -1) & (at <= size) & (k < points)[:, None]
        at = at.clamp(0, size - 1)
        weights += (1 - (at[:, :, None] - places[:, None]).abs()).clamp_(min=0) * read[:, :, None]
    return weights.double() / points.clamp(min=1)[:, None, None]


def roi_targets(
    boxes: np.ndarray,
    windows: list[np.ndarray],
    image_size: tuple[int, int],
    rois: torch.Tensor,
    owners: np.ndarray,
    out_shape: tuple[int, int],
) -> torch.Tensor:
    """Soft targets (K, h, w) of ``rois`` (K, 4) xyxy, each of the mask ``owners[k]``, on the rois' device.

    Args:
        boxes: (N, 4) int32 xyxy of the ``windows``.
        image_size, out_shape: (h, w) in px.
    """
    targets = rois.new_zeros(len(rois), *out_shape)
    sides = (boxes[:, 2:] - boxes[:, :2]).max(1)[owners]
    bucket = np.ceil(np.log2(np.maximum(sides, 8))).astype(int)  # windows of a bucket fill at least half a side
    bucket[sides == 0] = -1
    for exponent in np.unique(bucket[bucket >= 0]):
        members = np.flatnonzero(bucket == exponent)
        side = int(sides[members].max())
        number = max(1, _ELEMENTS // (side * max(side, *out_shape)))
        for begin in range(0, len(members), number):
            part = members[begin : begin + number]
            cells, cell_of = np.unique(owners[part], return_inverse=True)
            packed = np.zeros((len(cells), side, side), np.uint8)
            for plane, cell in zip(packed, cells.tolist()):
                window = windows[cell]
                plane[: window.shape[0], : window.shape[1]] = window
            arrays = (part, boxes[owners[part], :2], packed, cell_of)
            index, corner, masks, cell = (torch.from_numpy(array).to(rois.device) for array in arrays)
            x1, y1, x2, y2 = rois[index].unbind(dim=1)
            down = axis_weights(y1, y2, out_shape[0], image_size[0], corner[:, 1], side)
            across = axis_weights(x1, x2, out_shape[1], image_size[1], corner[:, 0], side)
            targets[index] = (down @ masks[cell].double() @ across.transpose(1, 2)).to(rois.dtype)
    return targets
