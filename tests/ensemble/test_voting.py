"""Fusions that vote: cells worked by hand, and a slow reference on random cells."""

import numpy as np
import pytest

from mmcellseg.ensemble import SharedMaskFusion, WeightedMaskFusion
from mmcellseg.ensemble.detections import Detections
from mmcellseg.ensemble.overlap import Groups
from mmcellseg.ensemble.shared_mask_fusion import lift_best
from mmcellseg.ensemble.weighted_mask_fusion import RESCORINGS, assign_clusters, rescore, vote_labels, vote_masks

CELL = (0, 0, 10, 10)


def slow_merge(detections, members, vote=0.5, lift=None):
    """(score, label, bitmap) with full bitmaps and loops; shared masks where ``lift`` is given."""
    ranked = detections.ranked()
    flat = ranked.masks.to_ndarray().astype(bool)

    def iou(a, b):
        return (a & b).sum() / (a | b).sum()

    seeds = []
    for k in range(len(ranked)):
        if all(iou(flat[s], flat[k]) <= 0.5 for s in seeds):
            seeds.append(k)
    voter = [(m, None if lift is None else c) for m, c in zip(ranked.members.tolist(), ranked.labels.tolist())]
    clusters = {s: {voter[s]: s} for s in seeds}
    for k in range(len(ranked)):
        values = {s: iou(flat[s], flat[k]) for s in seeds if s < k and iou(flat[s], flat[k]) > 0.5}
        if k not in clusters and values:
            clusters[max(values, key=lambda s: (values[s], -s))].setdefault(voter[k], k)
    out = []
    for s, voters in clusters.items():
        rows = list(voters.values())
        votes = ranked.scores[rows]
        won = np.tensordot(votes, flat[rows], 1) > vote * votes.sum()
        mask = won if won.any() else flat[s]
        own = {c: votes[ranked.labels[rows] == c].sum() / members for c in sorted(set(ranked.labels[rows].tolist()))}
        best = max(own, key=lambda c: (own[c], -c))
        if lift is None:
            out.append((votes.sum() / members, best, mask))
            continue
        outline = sum(v * iou(flat[k], mask) for k, v in zip(rows, votes)) / votes.sum()
        gain = lift * (min(sum(own.values()), 1) - own[best])
        out += [((score + gain * (c == best)) * outline, c, mask) for c, score in own.items()]
    return sorted(out, key=lambda row: -row[0])


@pytest.mark.parametrize(
    ('fusion', 'slow'),
    [(WeightedMaskFusion, {'vote': vote}) for vote in (0.3, 0.5)]
    + [(SharedMaskFusion, {'lift': lift}) for lift in (0, 0.5, 1)],
)
def test_voting_against_the_slow_reference(random_members, fusion, slow):
    options = {{'vote': 'vote_threshold'}.get(name, name): value for name, value in slow.items()}
    for seed in range(12):
        joined = Detections.from_entries(random_members(seed, members=5, cells=15), 40, 60)
        merged, expected = fusion(**options)(joined, weights=[1] * 5), slow_merge(joined, 5, **slow)
        np.testing.assert_allclose(merged.scores, [row[0] for row in expected], rtol=1e-12)
        assert merged.labels.tolist() == [row[1] for row in expected]
        np.testing.assert_array_equal(merged.masks.to_ndarray(), [row[2] for row in expected])


def test_a_weighted_cell_worked_by_hand(rectangles):
    joined = rectangles(
        [(*CELL, 0.8, 1)], [(0, 0, 10, 12, 0.6, 2), (30, 0, 40, 10, 0.9, 3)], [(0, 0, 12, 10, 0.4, 2)], []
    )
    merged = WeightedMaskFusion()(joined, weights=[1] * 4)
    # Votes of the first cell: 1.8 in all, rows 10–12 have 0.6, columns 10–12 have 0.4: neither above 0.9.
    assert merged.bboxes.tolist() == [[0, 0, 10, 10], [30, 0, 10, 10]]
    np.testing.assert_allclose(merged.scores, [1.8 / 4, 0.9 / 4])
    assert merged.labels.tolist() == [2, 3]  # 1.0 for class 2 against 0.8
    wide = WeightedMaskFusion(vote_threshold=0.3)(joined, weights=[1] * 4)  # 0.6 > 0.54 > 0.4
    assert wide.bboxes[0].tolist() == [0, 0, 10, 12]
    assert wide.masks.areas[0] == 120


def test_a_shared_cell_worked_by_hand(rectangles):
    joined = rectangles(
        [(*CELL, 0.8, 1), (0, 0, 10, 12, 0.1, 2)],
        [(0, 0, 10, 12, 0.6, 2), (30, 0, 40, 10, 0.9, 3)],
        [(0, 0, 10, 12, 0.4, 1)],
        [],
    )
    merged = SharedMaskFusion()(joined, weights=[1] * 4)
    # Rows 10 to 12 have 1.1 of 1.9 votes, and the first voter 100 of the 120 px.
    outline = (0.8 * 100 / 120 + 1.1) / 1.9
    # Class 1 scores 1.2 / 4 and gains half of class 2's 0.7 / 4.
    assert merged.labels.tolist() == [1, 3, 2]
    np.testing.assert_allclose(merged.scores, [(0.3 + 0.0875) * outline, 0.225, 0.175 * outline])
    assert merged.bboxes.tolist() == [[0, 0, 10, 12], [30, 0, 10, 10], [0, 0, 10, 12]]
    # What led: each class's best detection.
    assert list(zip(merged.members.tolist(), merged.indices.tolist())) == [(0, 0), (1, 1), (1, 0)]


def test_the_best_class_gains_what_the_others_lose(rectangles):
    joined = rectangles([(*CELL, 0.5, 1), (*CELL, 0.2, 2), (*CELL, 0.1, 3)])
    merged = SharedMaskFusion(lift=0.4, hidden_factor=0.6)(joined)
    np.testing.assert_allclose(merged.scores, [0.62, 0.12, 0.06])


def test_a_cell_scores_at_most_one_and_ties_go_to_the_first():
    cell, scores = np.array([0, 0, 1, 1, 2]), np.array([0.7, 0.9, 0.4, 0.4, 0.3])
    np.testing.assert_allclose(lift_best(cell, scores, 0.5), [0.7, 0.95, 0.6, 0.4, 0.3])


def test_a_detection_joins_the_seed_it_overlaps_most_and_a_member_votes_once():
    groups = Groups(np.array([0, 1]), np.array([0, 1, 1]), np.array([2, 2, 3]), np.array([0.6, 0.7, 0.8]))
    assert assign_clusters(groups, np.array([0, 1, 2, 2])).tolist() == [0, 1, 1, -1]
    even = groups._replace(value=np.array([0.7, 0.7, 0.8]))
    assert assign_clusters(even, np.array([0, 1, 2, 2])).tolist() == [0, 1, 0, 1]


def test_rules_of_score_class_and_pixels(rectangles):
    cluster, scores, weights = np.array([0, 0, 1]), np.array([0.8, 0.4, 0.6]), np.ones(3)
    expected = {'agreement': [0.3, 0.15], 'max_agreement': [0.4, 0.15]}
    assert set(expected) == set(RESCORINGS)
    for rule, values in expected.items():
        np.testing.assert_allclose(rescore(cluster, scores, weights, 4, rule), values)
    # Equal votes for classes go to the lowest id; where no pixel wins, the seed's mask stays.
    assert vote_labels(cluster, np.array([3, 2, 9]), np.array([0.5, 0.5, 0.1])).tolist() == [2, 9]
    masks = rectangles([(0, 0, 4, 4, 1, 1), (10, 0, 14, 4, 1, 1)]).masks
    merged = vote_masks(masks, np.array([0, 0]), np.array([0.5, 0.5]), 0.5)
    np.testing.assert_array_equal(merged.to_ndarray(), masks[:1].to_ndarray())


@pytest.mark.parametrize('fusion', [SharedMaskFusion(), WeightedMaskFusion()])
def test_scores_from_zero_to_one(rectangles, fusion):
    # With these weights the sum over the members ends a last digit above the sum of the weights.
    assert fusion(rectangles(*[[(*CELL, 1.0, 1)]] * 3), weights=[1, 1, 6]).scores.tolist() == [1.0]
    nothing_sure = fusion(rectangles([(0, 0, 9, 9, 0, 1)], [(0, 0, 9, 8, 0, 1)]), weights=[1, 1])
    assert (nothing_sure.scores.tolist(), nothing_sure.bboxes.tolist()) == ([0], [[0, 0, 9, 8]])
