"""Which detections of an image overlap by how much, for all fusions."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from ..structures.overlaps import box_iou_pairs, candidate_pairs, common_pixels
from .detections import Detections

Measure = Literal['box', 'mask', 'mask_min']
MEASURES = ('box', 'mask', 'mask_min')


class Groups(NamedTuple):
    """Seeds, of which no two overlap too much, and the pairs of a seed and a later detection that do, in this order."""

    seeds: np.ndarray  # (K,) ascending
    leader: np.ndarray  # (P,)
    other: np.ndarray  # (P,)
    value: np.ndarray  # (P,) their overlap


def greedy_groups(
    first: np.ndarray, second: np.ndarray, number: int, overlap: Callable[[np.ndarray], np.ndarray], threshold: float
) -> Groups:
    """Non-maximum suppression on ``number`` ranked detections that asks for the overlaps of seeds only.

    A detection is a seed if no seed before it overlaps it by more than the threshold. All detections that wait
    for no other become seeds together, so that a few rounds of array operations do; the outcome is that of the
    loop over the ranks. ``first`` < ``second`` (P,) are the pairs that may overlap too much; ``overlap`` gives those at
    some places among them their overlaps.
    """
    waiting, seeds = np.ones(number, bool), np.zeros(number, bool)
    left = np.arange(len(first))  # pairs whose first one waits
    found: list[np.ndarray] = [left[:0]]
    values: list[np.ndarray] = [np.zeros(0)]
    while waiting.any():
        new = waiting.copy()
        new[second[left]] = False
        seeds |= new
        mine = left[new[first[left]]]
        value = overlap(mine)
        over = value > threshold
        found.append(mine[over])
        values.append(value[over])
        waiting &= ~new
        waiting[second[mine[over]]] = False
        left = left[waiting[first[left]]]
    pairs = np.concatenate(found)
    order = np.lexsort((second[pairs], first[pairs]))
    pairs = pairs[order]
    return Groups(np.flatnonzero(seeds), first[pairs], second[pairs], np.concatenate(values)[order])


def overlap_groups(ranked: Detections, measure: Measure, threshold: float, class_wise: bool = False) -> Groups:
    """Seeds of ranked detections and the later detections that each overlaps by more than the threshold.

    ``measure`` is as ``Fusion`` has it, box areas without + 1; ``class_wise``: different classes never overlap.
    """
    if measure == 'box':
        first, second, iou = box_iou_pairs(ranked.boxes, ranked.boxes)
        keep = (first < second) & (iou > threshold)
    else:
        masks = ranked.masks
        first, second = candidate_pairs(masks.boxes, masks.boxes)
        keep = first < second
    if class_wise:
        keep &= ranked.labels[first] == ranked.labels[second]
    first, second = first[keep], second[keep]
    if measure == 'box':
        iou = iou[keep]
        return greedy_groups(first, second, len(ranked), lambda pairs: iou[pairs], threshold)

    areas, boxes = masks.areas, masks.boxes.astype(np.int64)

    def share(common: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        whole = np.minimum(areas[i], areas[j]) if measure == 'mask_min' else areas[i] + areas[j] - common
        return common / np.maximum(whole, 1)

    def overlap(pairs: np.ndarray) -> np.ndarray:
        i, j = first[pairs], second[pairs]
        return share(common_pixels(masks, masks, i, j), i, j)

    sides = np.minimum(boxes[first, 2:], boxes[second, 2:]) - np.maximum(boxes[first, :2], boxes[second, :2])
    # What two masks share is at most their boxes' common rectangle and the smaller mask: most pairs end here.
    most = np.minimum(sides.prod(axis=1), np.minimum(areas[first], areas[second]))
    possible = share(most, first, second) > threshold
    first, second = first[possible], second[possible]
    return greedy_groups(first, second, len(masks), overlap, threshold)
