"""Overlaps and seeds against loops over full bitmaps."""

import numpy as np
import pytest

from mmcellseg.ensemble.detections import Detections
from mmcellseg.ensemble.overlap import greedy_groups, overlap_groups


def dense_overlaps(detections, measure):
    if measure == 'box':
        b = detections.boxes
        low = np.maximum(b[:, None, :2], b[None, :, :2])
        high = np.minimum(b[:, None, 2:], b[None, :, 2:])
        common = np.clip(high - low, 0, None).prod(-1)
        area = (b[:, 2:] - b[:, :2]).prod(-1)
    else:
        flat = detections.masks.to_ndarray().reshape(len(detections), -1).astype(int)
        common, area = flat @ flat.T, flat.sum(1)
    if measure == 'mask_min':
        return common / np.minimum(area[:, None], area)
    return common / (area[:, None] + area - common)


def slow_groups(over):
    """The loop over the ranks; ``over`` (N, N) bool."""
    seeds = []
    for k in range(len(over)):
        if not over[seeds, k].any():
            seeds.append(k)
    return seeds, [(s, k) for s in seeds for k in range(s + 1, len(over)) if over[s, k]]


@pytest.mark.parametrize('class_wise', [False, True])
@pytest.mark.parametrize('measure', ['box', 'mask', 'mask_min'])
def test_groups_are_those_of_the_loop_over_ranks(random_members, measure, class_wise):
    for seed in range(6):
        ranked = Detections.from_entries(random_members(seed), 40, 60).ranked()
        allowed = (ranked.labels[:, None] == ranked.labels) | (not class_wise)
        for threshold in (0.0, 0.3, 0.5, 0.8):
            dense = dense_overlaps(ranked, measure)
            seeds, pairs = slow_groups((dense > threshold) & allowed)
            found = overlap_groups(ranked, measure, threshold, class_wise)
            assert found.seeds.tolist() == seeds
            assert list(zip(found.leader.tolist(), found.other.tolist(), strict=True)) == pairs
            np.testing.assert_allclose(found.value, [dense[p] for p in pairs], rtol=1e-12)


def test_a_chain_is_resolved_from_its_best():
    first, second = np.arange(9), np.arange(1, 10)  # each overlaps the next only
    asked = []

    def overlap(pairs):
        asked.extend(first[pairs].tolist())
        return np.ones(len(pairs))

    found = greedy_groups(first, second, 10, overlap, 0.5)
    assert found.seeds.tolist() == [0, 2, 4, 6, 8]
    assert asked == [0, 2, 4, 6, 8]  # only the seeds' overlaps are computed
