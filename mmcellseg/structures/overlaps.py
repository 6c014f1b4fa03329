"""Which boxes and masks overlap, and by how much, without an N×M matrix.

Pairs are index arrays (i, j), sorted by i, then j. Time and memory grow with the pairs of boxes that do overlap
and with the rows of their common rectangles.
"""

from collections.abc import Sequence

import numpy as np
import shapely

from .masks import InstanceMasks
from .ragged import batches, offsets, ragged_arange

_CHUNK = 1 << 20  # words of 64 px that are expanded at once; about 80 MB


def candidate_pairs(boxes_a: np.ndarray, boxes_b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of boxes (N, 4) and (M, 4) xyxy whose common rectangle has an area above 0."""
    boxes_a, boxes_b = np.asarray(boxes_a), np.asarray(boxes_b)
    filled_a, filled_b = (np.flatnonzero((boxes[:, 2:] > boxes[:, :2]).all(axis=1)) for boxes in (boxes_a, boxes_b))
    tree = shapely.STRtree(shapely.box(*boxes_b[filled_b].T))
    i, j = tree.query(shapely.box(*boxes_a[filled_a].T))
    i, j = filled_a[i], filled_b[j]
    a, b = boxes_a[i], boxes_b[j]
    meet = ((a[:, :2] < b[:, 2:]) & (b[:, :2] < a[:, 2:])).all(axis=1)  # the tree also finds those that touch
    i, j = i[meet], j[meet]
    order = np.lexsort((j, i))
    return i[order], j[order]


def box_iou_pairs(boxes_a: np.ndarray, boxes_b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of boxes xyxy (areas without + 1) that overlap: i, j and their IoU (float64)."""
    boxes_a, boxes_b = np.asarray(boxes_a, np.float64), np.asarray(boxes_b, np.float64)
    i, j = candidate_pairs(boxes_a, boxes_b)
    a, b = boxes_a[i], boxes_b[j]
    common = np.prod(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), axis=1)
    area_a, area_b = np.prod(a[:, 2:] - a[:, :2], axis=1), np.prod(b[:, 2:] - b[:, :2], axis=1)
    return i, j, common / (area_a + area_b - common)


def intersections(a: InstanceMasks, b: InstanceMasks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of masks of one image that share foreground pixels: i, j and the number of shared px (int64, above 0)."""
    if (a.height, a.width) != (b.height, b.width):
        raise ValueError(f'masks of {a.height} x {a.width} and of {b.height} x {b.width} share no image')
    i, j = candidate_pairs(a.boxes, b.boxes)
    pixels = common_pixels(a, b, i, j)
    some = pixels > 0
    return i[some], j[some], pixels[some]


def _words(masks: InstanceMasks, used: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The rows of the masks ``used`` as 64-bit words that begin where x is a multiple of 64, so that words match.

    Returns:
        words uint64 (K,), and for each mask where its words begin, its first word column and its words a row.
    """
    column = masks.boxes[:, 0].astype(np.int64) >> 6
    number = np.zeros(len(masks), np.int64)
    number[used] = np.where(masks.boxes[used, 2] > 0, ((masks.boxes[used, 2] + 63) >> 6) - column[used], 0)
    starts = offsets(number * (masks.boxes[:, 3] - masks.boxes[:, 1]))
    spread = np.zeros(starts[-1] * 64, np.uint8)
    ends = (starts * 64).tolist()
    left = (masks.boxes[:, 0] & 63).tolist()
    for k, window in zip(used.tolist(), masks.windows(used)):
        if window.size:
            rows, width = window.shape
            aligned = spread[ends[k] : ends[k + 1]].reshape(rows, -1)
            aligned[:, left[k] : left[k] + width] = window
    return np.packbits(spread, bitorder='little').view(np.uint64), starts, column, number


def common_pixels(a: InstanceMasks, b: InstanceMasks, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Shared px (P,) int64 of the masks ``i`` (P,) of ``a`` and ``j`` (P,) of ``b``, pairs whose windows meet."""
    top = np.maximum(a.boxes[i, 1], b.boxes[j, 1]).astype(np.int64)
    rows = np.minimum(a.boxes[i, 3], b.boxes[j, 3]) - top
    if a is b:
        both = [_words(a, np.unique(np.concatenate([i, j])))] * 2
    else:
        both = [_words(a, np.unique(i)), _words(b, np.unique(j))]
    packed = [(both[0], a.boxes, i), (both[1], b.boxes, j)]
    left = np.maximum(*(column[k] for (_, _, column, _), _, k in packed))
    wide = np.minimum(*(column[k] + number[k] for (_, _, column, number), _, k in packed)) - left
    pixels = np.zeros(len(i), np.int64)
    for part in batches(wide * rows, _CHUNK):
        row = ragged_arange(rows[part])
        width = np.repeat(wide[part], rows[part])
        across = ragged_arange(width)
        pair = []
        for (words, starts, column, number), boxes, index in packed:
            k = index[part]
            corner = starts[k] + (top[part] - boxes[k, 1]) * number[k] + left[part] - column[k]
            begin = np.repeat(corner, rows[part]) + row * np.repeat(number[k], rows[part])
            pair.append(words[np.repeat(begin, width) + across])
        sums = offsets(np.bitwise_count(pair[0] & pair[1]))
        pixels[part] = np.diff(sums[offsets(wide[part] * rows[part])])
    return pixels


def mask_iou_pairs(a: InstanceMasks, b: InstanceMasks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of masks that share pixels: i, j and their IoU (float64)."""
    i, j, pixels = intersections(a, b)
    return i, j, pixels / (a.areas[i] + b.areas[j] - pixels)


def union(masks: InstanceMasks, groups: Sequence[Sequence[int]]) -> InstanceMasks:
    """One mask a group of indices: the pixels that any of its members has."""
    boxes, windows = np.zeros((len(groups), 4), np.int32), []
    for box, group in zip(boxes, groups):
        members = [k for k in group if masks.starts[k + 1] > masks.starts[k]]
        if members:
            box[:2] = masks.boxes[members, :2].min(axis=0)
            box[2:] = masks.boxes[members, 2:].max(axis=0)
        canvas = np.zeros((box[3] - box[1], box[2] - box[0]), np.uint8)
        for k in members:
            x1, y1, x2, y2 = (masks.boxes[k] - np.tile(box[:2], 2)).tolist()
            canvas[y1:y2, x1:x2] |= masks.window(k) != 0
        windows.append(canvas)
    return InstanceMasks.from_windows(boxes, windows, masks.height, masks.width)
