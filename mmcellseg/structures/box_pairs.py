"""Which boxes overlap, and by how much, without an N×M matrix.

Pairs are index arrays (i, j), sorted by i, then j.
"""

from typing import Literal

import numpy as np

from .ragged import batches, ragged_arange

_CHUNK = 1 << 20  # candidates that are expanded at once; about 50 MB


def candidate_pairs(boxes_a: np.ndarray, boxes_b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of boxes (N, 4) and (M, 4) xyxy whose common rectangle has an area above 0.

    A sweep along the longer axis: two intervals overlap if the one that begins later begins inside the other,
    so each box meets a contiguous range of the other set's sorted beginnings.
    """
    boxes_a, boxes_b = np.asarray(boxes_a), np.asarray(boxes_b)
    filled_a = np.flatnonzero((boxes_a[:, 2] > boxes_a[:, 0]) & (boxes_a[:, 3] > boxes_a[:, 1]))
    filled_b = np.flatnonzero((boxes_b[:, 2] > boxes_b[:, 0]) & (boxes_b[:, 3] > boxes_b[:, 1]))
    if not len(filled_a) or not len(filled_b):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    a, b = boxes_a[filled_a], boxes_b[filled_b]
    extent = np.maximum(a.max(axis=0), b.max(axis=0))[2:] - np.minimum(a.min(axis=0), b.min(axis=0))[:2]
    axis = int(extent[1] > extent[0])
    later_b = _sweep(a, b, axis, side='left')
    later_a = _sweep(b, a, axis, side='right')[::-1]
    i = filled_a[np.concatenate([later_b[0], later_a[0]])]
    j = filled_b[np.concatenate([later_b[1], later_a[1]])]
    order = np.argsort(i * len(boxes_b) + j, kind='stable')
    return i[order], j[order]


def _sweep(a: np.ndarray, b: np.ndarray, axis: int, side: Literal['left', 'right']) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping pairs where b begins at or (side ``right``) strictly after a's beginning."""
    order = np.argsort(b[:, axis], kind='stable')
    begins = b[order, axis]
    first = np.searchsorted(begins, a[:, axis], side=side)
    number = np.searchsorted(begins, a[:, axis + 2], side='left') - first
    other = 1 - axis
    found_a, found_b = [], []
    for part in batches(number, _CHUNK):
        i = np.repeat(np.arange(part.start, part.stop), number[part])
        j = order[np.repeat(first[part], number[part]) + ragged_arange(number[part])]
        meet = (a[i, other] < b[j, other + 2]) & (b[j, other] < a[i, other + 2])
        found_a.append(i[meet])
        found_b.append(j[meet])
    return np.concatenate(found_a), np.concatenate(found_b)


def box_iou_pairs(boxes_a: np.ndarray, boxes_b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of boxes xyxy (areas without + 1) that overlap: i, j and their IoU (float64)."""
    boxes_a, boxes_b = np.asarray(boxes_a, np.float64), np.asarray(boxes_b, np.float64)
    i, j = candidate_pairs(boxes_a, boxes_b)
    a, b = boxes_a[i], boxes_b[j]
    common = np.prod(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), axis=1)
    area_a, area_b = np.prod(a[:, 2:] - a[:, :2], axis=1), np.prod(b[:, 2:] - b[:, :2], axis=1)
    return i, j, common / (area_a + area_b - common)
