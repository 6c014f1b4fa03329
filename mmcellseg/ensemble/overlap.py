"""Which detections of an image overlap by how much, for all fusions."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from ..structures.masks import InstanceMasks
from ..structures.overlaps import box_iou_pairs, candidate_pairs, common_pixels
from .detections import Detections

Measure = Literal['box', 'mask', 'mask_min']
MEASURES = ('box', 'mask', 'mask_min')


class Groups(NamedTuple):
    """Seeds and what they overlap.

    ``seeds`` (K,) are detections of which no two overlap too much, ascending. ``leader`` and ``other`` (P,) are
    the pairs of a seed and a later detection that do, and ``value`` (P,) is their overlap; sorted by leader, then
    other.
    """

    seeds: np.ndarray
    leader: np.ndarray
    other: np.ndarray
    value: np.ndarray


def greedy_groups(first: np.ndarray, second: np.ndarray, number: int, overlap: Callable, threshold: float) -> Groups:
    """Non-maximum suppression on ranked detections that asks for the overlaps of seeds only.

    A detection is a seed if no seed before it overlaps it by more than the threshold. All detections that wait
    for no other become seeds together, so that a few rounds of array operations do; the outcome is that of the
    loop over the ranks.

    Args:
        first, second: (P,) pairs that may overlap too much, ``first < second``.
        number: N detections, the best first.
        overlap: (first, second) → overlaps of these pairs.
        threshold: What an overlap must exceed.
    """
    waiting, seeds = np.ones(number, bool), np.zeros(number, bool)
    found: list[tuple[np.ndarray, ...]] = []
    while waiting.any():
        blocked = np.zeros(number, bool)
        blocked[second[waiting[first]]] = True
        new = waiting & ~blocked
        seeds |= new
        mine = new[first]
        values = overlap(first[mine], second[mine])
        over = values > threshold
        found.append((first[mine][over], second[mine][over], values[over]))
        waiting &= ~new
        waiting[second[mine][over]] = False
        open_pairs = waiting[first]
        first, second = first[open_pairs], second[open_pairs]
    if not found:
        empty = np.zeros(0, np.int64)
        return Groups(empty, empty, empty, np.zeros(0))
    leader, other, value = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((other, leader))
    return Groups(np.flatnonzero(seeds), leader[order], other[order], value[order])


def _share(common: np.ndarray, area_a: np.ndarray, area_b: np.ndarray, measure: Measure) -> np.ndarray:
    whole = np.minimum(area_a, area_b) if measure == 'mask_min' else area_a + area_b - common
    return common / np.maximum(whole, 1)


def _mask_groups(masks: InstanceMasks, labels: np.ndarray | None, measure: Measure, threshold: float) -> Groups:
    first, second = candidate_pairs(masks.boxes, masks.boxes)
    keep = first < second if labels is None else (first < second) & (labels[first] == labels[second])
    first, second = first[keep], second[keep]
    areas, boxes = masks.areas, masks.boxes.astype(np.int64)
    sides = np.minimum(boxes[first, 2:], boxes[second, 2:]) - np.maximum(boxes[first, :2], boxes[second, :2])
    # What two masks share is at most their boxes' common rectangle and the smaller mask: most pairs end here.
    most = np.minimum(sides.prod(axis=1), np.minimum(areas[first], areas[second]))
    possible = _share(most, areas[first], areas[second], measure) > threshold
    first, second = first[possible], second[possible]

    def overlap(i: np.ndarray, j: np.ndarray) -> np.ndarray:
        return _share(common_pixels(masks, masks, i, j), areas[i], areas[j], measure)

    return greedy_groups(first, second, len(masks), overlap, threshold)


def _box_groups(boxes: np.ndarray, labels: np.ndarray | None, threshold: float) -> Groups:
    first, second, iou = box_iou_pairs(boxes, boxes)
    keep = (first < second) & (iou > threshold)
    if labels is not None:
        keep &= labels[first] == labels[second]
    first, second, iou = first[keep], second[keep], iou[keep]
    key = first * len(boxes) + second

    def overlap(i: np.ndarray, j: np.ndarray) -> np.ndarray:
        return iou[np.searchsorted(key, i * len(boxes) + j)]

    return greedy_groups(first, second, len(boxes), overlap, threshold)


def overlap_groups(ranked: Detections, measure: Measure, threshold: float, class_wise: bool = False) -> Groups:
    """Seeds of ranked detections and the later detections that each overlaps by more than the threshold.

    Args:
        ranked: Detections, the best first.
        measure: IoU of the boxes (px without + 1), IoU of the masks, or ``mask_min``: what two masks share over
            the smaller one.
        threshold: From 0 to 1.
        class_wise: Detections of different classes never overlap.
    """
    labels = ranked.labels if class_wise else None
    if measure == 'box':
        return _box_groups(ranked.boxes, labels, threshold)
    return _mask_groups(ranked.masks, labels, measure, threshold)


def check_measure(measure: str, threshold: float) -> None:
    """Raise ``ValueError`` for an unknown measure or a threshold outside [0, 1)."""
    if measure not in MEASURES:
        raise ValueError(f'iou is {measure!r}, expected one of {MEASURES}')
    if not 0 <= threshold < 1:
        raise ValueError(f'threshold is {threshold}, expected a number from 0 to below 1')
