"""One mask a cell and a score a class: cases worked by hand, and a slow reference on random cells."""

import itertools

import numpy as np
import pytest
from mmdet.registry import TASK_UTILS

from mmcellseg.ensemble import WeightedMaskFusion
from mmcellseg.ensemble.detections import Detections
from mmcellseg.ensemble.shared_mask_fusion import SharedMaskFusion, lift_best


def slow_fusion(detections, members, lift, by_outline, threshold=0.5):
    """(score, label, bitmap) with full bitmaps and loops."""
    ranked = detections.ranked()
    flat = ranked.masks.to_ndarray().astype(bool)

    def iou(a, b):
        return (flat[a] & flat[b]).sum() / (flat[a] | flat[b]).sum()

    seeds = []
    for k in range(len(ranked)):
        if all(iou(s, k) <= threshold for s in seeds):
            seeds.append(k)
    clusters = {s: {(ranked.members[s], ranked.labels[s]): s} for s in seeds}
    for k in range(len(ranked)):
        values = {s: iou(s, k) for s in seeds if s < k and iou(s, k) > threshold}
        if k not in clusters and values:
            nearest = max(values, key=lambda s: (values[s], -s))
            clusters[nearest].setdefault((ranked.members[k], ranked.labels[k]), k)
    out = []
    for s, voters in clusters.items():
        rows = list(voters.values())
        votes = ranked.scores[rows]
        won = np.tensordot(votes, flat[rows], 1) > 0.5 * votes.sum()
        own = {c: votes[ranked.labels[rows] == c].sum() / members for c in sorted(set(ranked.labels[rows].tolist()))}
        best = max(own, key=lambda c: (own[c], -c))
        mask = won if won.any() else flat[s]
        outline = sum(v * (flat[k] & mask).sum() / (flat[k] | mask).sum() for k, v in zip(rows, votes)) / votes.sum()
        whole = min(sum(own.values()), 1)
        for c, score in own.items():
            if c == best:
                score += lift * (whole - score)
            out.append((score * (outline if by_outline else 1), c, mask))
    return sorted(out, key=lambda row: -row[0])


@pytest.mark.parametrize('lift', [0, 0.5, 1])
@pytest.mark.parametrize('by_outline', [True, False])
def test_against_the_slow_reference(random_members, lift, by_outline):
    for seed in range(12):
        joined = Detections.from_entries(random_members(seed, members=5, cells=15), 40, 60)
        merged = SharedMaskFusion(lift=lift, by_outline=by_outline)(joined, weights=[1] * 5)
        expected = slow_fusion(joined, 5, lift, by_outline)
        np.testing.assert_allclose(merged.scores, [row[0] for row in expected], rtol=1e-12)
        assert merged.labels.tolist() == [row[1] for row in expected]
        np.testing.assert_array_equal(merged.masks.to_ndarray(), [row[2] for row in expected])


def test_a_cell_worked_by_hand(rectangles):
    joined = rectangles(
        [(0, 0, 10, 10, 0.8, 1), (0, 0, 10, 12, 0.1, 2)],
        [(0, 0, 10, 12, 0.6, 2), (30, 0, 40, 10, 0.9, 3)],
        [(0, 0, 10, 12, 0.4, 1)],
        [],
    )
    merged = SharedMaskFusion(by_outline=False)(joined, weights=[1] * 4)
    # Rows 10 to 12 have 1.1 of 1.9 votes. Class 1 scores 1.2 / 4 and gains half of class 2's 0.7 / 4.
    assert merged.labels.tolist() == [1, 3, 2]
    np.testing.assert_allclose(merged.scores, [0.3 + 0.0875, 0.225, 0.175])
    assert merged.bboxes.tolist() == [[0, 0, 10, 12], [30, 0, 10, 10], [0, 0, 10, 12]]
    # The first voter has 100 of the 120 px.
    outline = (0.8 * 100 / 120 + 1.1) / 1.9
    scores = SharedMaskFusion()(joined, weights=[1] * 4).scores
    np.testing.assert_allclose(scores, [(0.3 + 0.0875) * outline, 0.225, 0.175 * outline])
    # What led: each class's best detection.
    assert list(zip(merged.members.tolist(), merged.indices.tolist())) == [(0, 0), (1, 1), (1, 0)]


def test_the_best_class_gains_what_the_others_lose(rectangles):
    joined = rectangles([(0, 0, 10, 10, 0.5, 1), (0, 0, 10, 10, 0.2, 2), (0, 0, 10, 10, 0.1, 3)])
    merged = SharedMaskFusion(lift=0.4, hidden_factor=0.6)(joined)
    np.testing.assert_allclose(merged.scores, [0.62, 0.12, 0.06])


def test_with_one_class_it_is_the_weighted_mask_fusion(random_members):
    for seed in range(6):
        members = [[{**e, 'category_id': 1} for e in m] for m in random_members(seed, members=4, cells=15)]
        joined = Detections.from_entries(members, 40, 60)
        shared, weighted = (
            f(joined, weights=[3, 1, 2, 1]) for f in (SharedMaskFusion(by_outline=False), WeightedMaskFusion())
        )
        np.testing.assert_allclose(shared.scores, weighted.scores, rtol=1e-12)
        np.testing.assert_array_equal(shared.masks.to_ndarray(), weighted.masks.to_ndarray())


def test_member_weights(rectangles):
    joined = rectangles([(0, 0, 10, 10, 0.5, 1)], [(0, 0, 10, 12, 0.5, 2)])
    merged = SharedMaskFusion(lift=0, by_outline=False)(joined, weights=[1, 3])
    np.testing.assert_allclose(merged.scores, [1.5 / 4, 0.5 / 4])
    assert merged.labels.tolist() == [2, 1]
    assert merged.bboxes.tolist() == [[0, 0, 10, 12]] * 2


@pytest.mark.parametrize('fusion', [SharedMaskFusion(), WeightedMaskFusion()])
def test_sure_members_do_not_score_above_one(rectangles, fusion):
    """With these weights the sum over the members ends a last digit above the sum of the weights."""
    joined = rectangles(*[[(0, 0, 10, 10, 1.0, 1)]] * 3)
    assert fusion(joined, weights=[1, 1, 6]).scores.tolist() == [1.0]


def test_a_cell_scores_at_most_one_and_ties_go_to_the_first():
    cell, scores = np.array([0, 0, 1, 1, 2]), np.array([0.7, 0.9, 0.4, 0.4, 0.3])
    np.testing.assert_allclose(lift_best(cell, scores, 0.5), [0.7, 0.95, 0.6, 0.4, 0.3])
    assert scores.tolist() == [0.7, 0.9, 0.4, 0.4, 0.3]


def test_scores_of_zero_keep_their_cell(rectangles):
    merged = SharedMaskFusion()(rectangles([(0, 0, 9, 9, 0, 1)], [(0, 0, 9, 8, 0, 2)]), weights=[1, 1])
    assert merged.scores.tolist() == [0, 0]
    assert merged.bboxes.tolist() == [[0, 0, 9, 8]] * 2


def test_no_detections_stay_none(rectangles):
    assert len(SharedMaskFusion()(rectangles([], []), weights=[1, 1])) == 0


def test_the_order_of_members_changes_nothing_without_ties(random_members):
    members, outcomes = random_members(3, members=4), []
    every = np.array([0.7, 0.3, 0.9, 0.55])
    for order in itertools.permutations(range(4)):
        joined = Detections.from_entries([members[m] for m in order], 40, 60)
        outcomes.append(list(SharedMaskFusion()(joined, weights=every[list(order)]).to_entries(1)))
    assert all(outcome == outcomes[0] for outcome in outcomes)


@pytest.mark.parametrize('options', [{'lift': -0.1}, {'lift': 1.1}, {'vote_threshold': 1}, {'iou': 'bbox'}])
def test_what_makes_no_sense_is_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        TASK_UTILS.build({'type': 'SharedMaskFusion', **options})
