"""Rotation, shear, translation and smooth resizing of box-local masks, equal to the stock functions bit for bit.

OpenCV computes where an output pixel comes from in fixed-point numbers that depend on its absolute position, so
warping a cell's own crop with a shifted matrix rounds differently. Instead cells are painted on full-size
canvases, each canvas is warped once by the stock function, and the cells are cut out. That is exact:

- an output pixel depends on the source pixels within the kernel's reach of the point it comes from, so all that
  a cell can influence lies in its *destination box*: the transformed source box, widened by the reach and by
  1 px for rounding on both sides of the transform;
- cells share a canvas only if their destination boxes have no pixel in common, hence inside its box a cell
  meets nothing but itself and background, as on the stock canvas that it has alone.

A dense tissue needs a handful of canvases where the stock way has one a cell.
"""

from collections.abc import Callable

import cv2
import mmcv
import numpy as np
from mmdet.structures.mask.structures import both_imtranslate, get_offsets_hv

from .box_pairs import candidate_pairs
from .geometry import Windows, crop, tight

_REACH = {'nearest': 1, 'bilinear': 1, 'area': 1, 'bicubic': 2, 'lanczos': 4}  # px from the point of origin
_BATCH = 8  # canvases warped at once


Size = tuple[int, int]  # (h, w)


def rotate(
    boxes: np.ndarray, windows: list[np.ndarray], size: Size, angle: float, center, scale: float, interpolation: str
) -> Windows:
    """mmcv.imrotate of each cell."""
    middle = ((size[1] - 1) * 0.5, (size[0] - 1) * 0.5) if center is None else center
    matrix = cv2.getRotationMatrix2D(middle, -angle, scale)

    def function(canvases):
        return mmcv.imrotate(canvases, angle, center, scale, 0, interpolation)

    return warp(boxes, windows, size, size, matrix, interpolation, function)


def shear(
    boxes: np.ndarray, windows: list[np.ndarray], size: Size, magnitude: float, direction: str, interpolation: str
) -> Windows:
    """mmcv.imshear of each cell."""
    along_x, along_y = (magnitude, 0) if direction == 'horizontal' else (0, magnitude)
    matrix = np.array([[1, along_x, 0], [along_y, 1, 0]], np.float64)

    def function(canvases):
        return mmcv.imshear(canvases, magnitude, direction, 0, interpolation)

    return warp(boxes, windows, size, size, matrix, interpolation, function)


def translate(
    boxes: np.ndarray, windows: list[np.ndarray], size: Size, offset, direction: str, interpolation: str
) -> Windows:
    """``BitmapMasks.translate`` of each cell, the image size kept."""
    right, down = get_offsets_hv(offset, direction)
    if float(right).is_integer() and float(down).is_integer():  # whole pixels: nothing to interpolate
        x, y = -int(right), -int(down)
        return crop(boxes, windows, (x, y, x + size[1], y + size[0]))
    matrix = np.array([[1, 0, right], [0, 1, down]], np.float64)

    def function(canvases):
        return both_imtranslate(canvases, offset, direction, 0, interpolation)

    return warp(boxes, windows, size, size, matrix, interpolation, function)


def resize(boxes: np.ndarray, windows: list[np.ndarray], size: Size, out_size: Size, interpolation: str) -> Windows:
    """mmcv.imresize of each cell, canvas by canvas as the stock does it mask by mask."""
    y, x = out_size[0] / size[0], out_size[1] / size[1]
    matrix = np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2]])  # pixel centres map to pixel centres

    def function(canvases):
        planes = [np.ascontiguousarray(plane) for plane in np.moveaxis(canvases, -1, 0)]
        resized = [mmcv.imresize(plane, out_size[::-1], interpolation=interpolation) for plane in planes]
        return np.stack(resized, axis=-1)

    return warp(boxes, windows, size, out_size, matrix, interpolation, function)


def destinations(boxes: np.ndarray, matrix: np.ndarray, reach: int, height: int, width: int) -> np.ndarray:
    """Where cells of ``boxes`` can have an influence: (N, 4) int32 xyxy clipped to the output of h×w px."""
    margin = reach + 1
    low, high = boxes[:, :2] - float(margin), boxes[:, 2:] - 1 + float(margin)
    corners = [np.stack([x[:, 0], y[:, 1]], axis=1) for x in (low, high) for y in (low, high)]
    moved = np.stack([c @ matrix[:, :2].T + matrix[:, 2] for c in corners])
    out = np.concatenate([np.floor(moved.min(axis=0)) - 1, np.ceil(moved.max(axis=0)) + 2], axis=1)
    return np.clip(out, 0, [width, height, width, height]).astype(np.int32)


def share_canvases(boxes: np.ndarray) -> list[np.ndarray]:
    """Split boxes into groups in which none overlaps another; empty boxes are left out.

    Each box, in order, joins the first group that has no box which overlaps it.
    """
    i, j = candidate_pairs(boxes, boxes)
    earlier = j < i
    number = np.full(len(boxes), -1)
    taken: dict[int, set[int]] = {}
    choice = number.tolist()
    for k, other in zip(i[earlier].tolist(), j[earlier].tolist()):
        taken.setdefault(k, set()).add(other)
    filled = np.flatnonzero((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]))
    for k in filled.tolist():
        used = {choice[other] for other in taken.get(k, ())}
        group = 0
        while group in used:
            group += 1
        choice[k] = group
    number[:] = choice
    return [np.flatnonzero(number == group) for group in range(number.max(initial=-1) + 1)]


def warp(
    boxes: np.ndarray,
    windows: list[np.ndarray],
    size: Size,
    out_size: Size,
    matrix: np.ndarray,
    interpolation: str,
    function: Callable[[np.ndarray], np.ndarray],
) -> Windows:
    """Apply ``function``, which maps stacked canvases (H, W, C) to (H', W', C) as ``matrix`` says, to each cell.

    Args:
        boxes: (N, 4) int32 xyxy of the ``windows``, inside an image of ``size``.
        out_size: (h, w) that ``function`` returns.
        matrix: (2, 3), destination = matrix · (x, y, 1). It only bounds where the cells go.
        interpolation: mmcv's name.
    """
    filled = boxes[:, 2] > boxes[:, 0]
    out = destinations(boxes, matrix, _REACH[interpolation], *out_size)
    out[~filled | (out[:, 2] <= out[:, 0]) | (out[:, 3] <= out[:, 1])] = 0
    moved = [np.zeros((0, 0), np.uint8)] * len(boxes)
    groups = share_canvases(out)
    for first in range(0, len(groups), _BATCH):
        batch = groups[first : first + _BATCH]
        canvases = np.zeros((*size, _channels(len(boxes), len(batch))), np.uint8)
        for channel, group in enumerate(batch):
            for k in group.tolist():
                x1, y1, x2, y2 = boxes[k].tolist()
                place = canvases[y1:y2, x1:x2, channel]
                np.maximum(place, windows[k], out=place)
        warped = function(canvases)
        warped = warped[:, :, None] if warped.ndim == 2 else warped
        for channel, group in enumerate(batch):
            for k in group.tolist():
                x1, y1, x2, y2 = out[k].tolist()
                moved[k] = warped[y1:y2, x1:x2, channel].copy()
    return tight(out, moved)  # or the margins would add up from warp to warp


def _channels(masks: int, canvases: int) -> int:
    """OpenCV may take other kernels for 1, 3 and 4 channels, so such counts are used where the stock has them."""
    if masks in (1, 3, 4):
        return masks
    return {1: 2, 3: 5, 4: 5}.get(canvases, canvases)
