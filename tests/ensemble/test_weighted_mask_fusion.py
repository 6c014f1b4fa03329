"""Votes of members: cases worked by hand, and a slow reference on random cells."""

import itertools

import numpy as np
import pytest
from mmdet.registry import TASK_UTILS

from mmcellseg.ensemble.detections import Detections
from mmcellseg.ensemble.overlap import Groups
from mmcellseg.ensemble.weighted_mask_fusion import (
    RESCORINGS,
    WeightedMaskFusion,
    assign_clusters,
    rescore,
    vote_labels,
    vote_masks,
)


def slow_fusion(detections, members, threshold=0.5, vote=0.5):
    """(scores, labels, bitmaps) with full bitmaps and loops."""
    ranked = detections.ranked()
    flat = ranked.masks.to_ndarray().astype(bool)

    def iou(a, b):
        return (flat[a] & flat[b]).sum() / (flat[a] | flat[b]).sum()

    seeds = []
    for k in range(len(ranked)):
        if all(iou(s, k) <= threshold for s in seeds):
            seeds.append(k)
    clusters = {s: [s] for s in seeds}
    for k in range(len(ranked)):
        values = {s: iou(s, k) for s in seeds if s < k}
        best = max(values, key=lambda s: (values[s], -s), default=None)
        if k in clusters or best is None:
            continue
        if ranked.members[k] not in ranked.members[clusters[best]]:
            clusters[best].append(k)
    out = []
    for s, group in clusters.items():
        votes = ranked.scores[group]
        won = np.tensordot(votes, flat[group], 1) > vote * votes.sum()
        per_label = {c: votes[ranked.labels[group] == c].sum() for c in ranked.labels[group]}
        label = min(per_label, key=lambda c: (-per_label[c], c))
        out.append((votes.sum() / members, label, won if won.any() else flat[s]))
    return sorted(out, key=lambda row: -row[0])


def test_against_the_slow_reference(random_members):
    for seed in range(12):
        joined = Detections.from_entries(random_members(seed, members=5, cells=15), 40, 60)
        for vote in (0.3, 0.5):
            merged = WeightedMaskFusion(vote_threshold=vote)(joined, weights=[1] * 5)
            expected = slow_fusion(joined, 5, vote=vote)
            np.testing.assert_allclose(merged.scores, [row[0] for row in expected], rtol=1e-12)
            assert merged.labels.tolist() == [row[1] for row in expected]
            np.testing.assert_array_equal(merged.masks.to_ndarray(), [row[2] for row in expected])


def test_a_cluster_worked_by_hand(rectangles):
    joined = rectangles(
        [(0, 0, 10, 10, 0.8, 1)],
        [(0, 0, 10, 12, 0.6, 2), (30, 0, 40, 10, 0.9, 3)],
        [(0, 0, 12, 10, 0.4, 2)],
        [],
    )
    merged = WeightedMaskFusion()(joined, weights=[1] * 4)
    # Votes of the first cell: 1.8 in all, rows 10–12 have 0.6, columns 10–12 have 0.4: neither above 0.9.
    assert merged.bboxes.tolist() == [[0, 0, 10, 10], [30, 0, 10, 10]]
    np.testing.assert_allclose(merged.scores, [1.8 / 4, 0.9 / 4])
    assert merged.labels.tolist() == [2, 3]  # 1.0 for class 2 against 0.8
    wide = WeightedMaskFusion(vote_threshold=0.3)(joined, weights=[1] * 4)  # 0.6 > 0.54 > 0.4
    assert wide.bboxes[0].tolist() == [0, 0, 10, 12]
    assert wide.masks.areas[0] == 120


def test_a_member_votes_once_in_a_cluster(rectangles):
    joined = rectangles([(0, 0, 10, 10, 0.5, 1)], [(0, 0, 10, 9, 0.4, 1), (0, 0, 10, 8, 0.3, 1)])
    merged = WeightedMaskFusion()(joined, weights=[1, 1])
    np.testing.assert_allclose(merged.scores, [0.45])


def test_a_detection_joins_the_seed_it_overlaps_most():
    groups = Groups(np.array([0, 1]), np.array([0, 1, 1]), np.array([2, 2, 3]), np.array([0.6, 0.7, 0.8]))
    assert assign_clusters(groups, np.array([0, 1, 2, 2])).tolist() == [0, 1, 1, -1]
    even = groups._replace(value=np.array([0.7, 0.7, 0.8]))
    assert assign_clusters(even, np.array([0, 1, 2, 2])).tolist() == [0, 1, 0, 1]


def test_member_weights(rectangles):
    joined = rectangles([(0, 0, 10, 10, 0.5, 1)], [(0, 0, 10, 12, 0.5, 2)])
    merged = WeightedMaskFusion()(joined, weights=[1, 3])
    # Scores × weights relative to the highest: 1/6 and 1/2; over all weights 4/3.
    np.testing.assert_allclose(merged.scores, [(0.5 / 3 + 0.5) / (4 / 3)])
    assert merged.labels.tolist() == [2]
    assert merged.bboxes.tolist() == [[0, 0, 10, 12]]


def test_rescoring_rules():
    cluster, scores, weights = np.array([0, 0, 1]), np.array([0.8, 0.4, 0.6]), np.ones(3)
    np.testing.assert_allclose(rescore(cluster, scores, weights, 4, 'agreement'), [0.3, 0.15])
    np.testing.assert_allclose(rescore(cluster, scores, weights, 4, 'max_agreement'), [0.4, 0.15])
    np.testing.assert_allclose(rescore(cluster, scores, weights, 4, 'mean'), [0.6, 0.6])


def test_equal_votes_for_classes_go_to_the_lowest_id():
    cluster, votes = np.array([0, 0, 1]), np.array([0.5, 0.5, 0.1])
    assert vote_labels(cluster, np.array([3, 2, 9]), votes).tolist() == [2, 9]


def test_where_no_pixel_wins_the_seed_stays(rectangles):
    masks = rectangles([(0, 0, 4, 4, 1, 1), (10, 0, 14, 4, 1, 1)]).masks
    merged = vote_masks(masks, np.array([0, 0]), np.array([0.5, 0.5]), 0.5)
    np.testing.assert_array_equal(merged.to_ndarray(), masks[:1].to_ndarray())


def test_scores_of_zero_still_vote(rectangles):
    merged = WeightedMaskFusion()(rectangles([(0, 0, 9, 9, 0, 1)], [(0, 0, 9, 8, 0, 1)]), weights=[1, 1])
    assert merged.scores.tolist() == [0]
    assert merged.bboxes.tolist() == [[0, 0, 9, 8]]


def test_one_member_and_none(rectangles):
    one = rectangles([(0, 0, 10, 10, 0.6, 1), (20, 0, 30, 10, 0.7, 2)])
    merged = WeightedMaskFusion()(one)
    assert merged.scores.tolist() == [0.7, 0.6]
    assert merged.bboxes.tolist() == [[20, 0, 10, 10], [0, 0, 10, 10]]
    assert len(WeightedMaskFusion()(rectangles([], []))) == 0


def test_class_wise_clusters(rectangles):
    joined = rectangles([(0, 0, 10, 10, 0.6, 1)], [(0, 0, 10, 10, 0.7, 2)])
    assert WeightedMaskFusion()(joined).labels.tolist() == [2]
    assert WeightedMaskFusion(class_wise=True)(joined).labels.tolist() == [2, 1]


@pytest.mark.parametrize('iou', ['box', 'mask'])
@pytest.mark.parametrize('rescoring', RESCORINGS)
def test_the_order_of_members_changes_nothing_without_ties(random_members, iou, rescoring):
    members = random_members(3, members=5)
    every = np.array([0.7, 0.3, 0.9, 0.55, 0.21])  # whose sum depends on the order, added one by one
    assert len({sum(every[list(order)].tolist()) for order in itertools.permutations(range(5))}) > 1
    fusion, outcomes = WeightedMaskFusion(iou=iou, rescoring=rescoring), []
    for order in list(itertools.permutations(range(5)))[::5]:
        joined = Detections.from_entries([members[m] for m in order], 40, 60)
        outcomes.append(list(fusion(joined, weights=every[list(order)]).to_entries(1)))
    assert all(outcome == outcomes[0] for outcome in outcomes)


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match='vote_threshold is 1, expected'):
        WeightedMaskFusion(vote_threshold=1)
    with pytest.raises(ValueError, match="rescoring is 'sum', expected one of"):
        WeightedMaskFusion(rescoring='sum')
    assert isinstance(TASK_UTILS.build({'type': 'WeightedMaskFusion'}), WeightedMaskFusion)
