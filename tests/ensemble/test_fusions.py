"""The three fusions: cases worked by hand, slow references on random cells, and what all of them keep."""

import itertools
from importlib import import_module

import numpy as np
import pytest
import torch
from mmcv.ops import nms
from mmdet.registry import TASK_UTILS

from mmcellseg.ensemble import NMSFusion, SharedMaskFusion, WeightedMaskFusion, build_fusion
from mmcellseg.ensemble.detections import Detections
from mmcellseg.ensemble.overlap import Groups
from mmcellseg.ensemble.shared_mask_fusion import lift_best
from mmcellseg.ensemble.weighted_mask_fusion import RESCORINGS, assign_clusters, rescore, vote_labels, vote_masks
from mmcellseg.structures.masks import InstanceMasks

ALL = pytest.mark.parametrize('fusion', [NMSFusion, WeightedMaskFusion, SharedMaskFusion])
CELL = (0, 0, 10, 10)


def key(detections):
    return list(zip(detections.members.tolist(), detections.indices.tolist(), strict=True))


def torchvision_nms(boxes, scores, threshold):
    """torchvision's CPU loop: stable descending sort, suppress IoU > threshold, areas without + 1."""
    order = sorted(range(len(scores)), key=lambda k: -scores[k])
    kept, gone = [], set()
    for n, i in enumerate(order):
        if i in gone:
            continue
        kept.append(i)
        for j in order[n + 1 :]:
            w = max(0.0, min(boxes[i][2], boxes[j][2]) - max(boxes[i][0], boxes[j][0]))
            h = max(0.0, min(boxes[i][3], boxes[j][3]) - max(boxes[i][1], boxes[j][1]))
            areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (boxes[i], boxes[j])]
            if w * h / (sum(areas) - w * h) > threshold:
                gone.add(j)
    return kept


@pytest.mark.parametrize('levels', [None, [0.2, 0.5, 0.9]])
@pytest.mark.parametrize('threshold', [0.0, 0.3, 0.5, 0.7])
def test_nms_keeps_what_torchvision_keeps(random_members, levels, threshold):
    for seed in range(8):
        joined = Detections.from_entries(random_members(seed, levels=levels), 40, 60)
        kept = torchvision_nms(joined.boxes.tolist(), joined.scores.tolist(), threshold)
        assert key(NMSFusion(threshold=threshold)(joined)) == key(joined[np.array(kept)])


def test_nms_keeps_what_mmcv_keeps(random_members):
    for seed in range(8):
        joined = Detections.from_entries(random_members(seed), 40, 60)
        assert len(set(joined.scores.astype(np.float32))) == len(joined)  # of equal scores mmcv may keep another
        _, kept = nms(torch.tensor(joined.boxes).float(), torch.tensor(joined.scores).float(), 0.45)
        assert key(NMSFusion(threshold=0.45)(joined)) == key(joined[kept.numpy()])


def test_exactly_the_threshold_is_not_suppressed(rectangles):
    pair = rectangles([(*CELL, 0.9, 1)], [(0, 0, 5, 10, 0.8, 1)])  # IoU 1/2 of boxes and of masks
    for iou in ('box', 'mask'):
        assert len(NMSFusion(iou=iou, threshold=0.5)(pair)) == 2
        assert len(NMSFusion(iou=iou, threshold=0.49)(pair)) == 1
    assert len(NMSFusion(iou='mask_min', threshold=0.99)(pair)) == 1


def test_ties_go_by_score_then_member_then_index(rectangles):
    joined = rectangles(
        [(30, 0, 40, 10, 0.5, 1), (*CELL, 0.5, 1), (*CELL, 0.5, 2)],
        [(*CELL, 0.5, 3), (30, 0, 40, 10, 0.6, 3)],
    )
    assert key(NMSFusion()(joined)) == [(1, 1), (0, 1)]


def test_classes_across_and_apart(rectangles):
    joined = rectangles([(*CELL, 0.6, 1)], [(*CELL, 0.7, 2)], [(0, 0, 10, 9, 0.5, 1)])
    assert key(NMSFusion()(joined)) == [(1, 0)]
    assert key(NMSFusion(class_wise=True)(joined)) == [(1, 0), (0, 0)]
    assert WeightedMaskFusion()(joined).labels.tolist() == [1]
    assert WeightedMaskFusion(class_wise=True)(joined).labels.tolist() == [1, 2]


def test_mask_iou_keeps_cells_that_only_share_a_box(rectangles):
    bitmap = np.zeros((2, 40, 60), np.uint8)
    bitmap[0, :20, :20] = np.tri(20, dtype=np.uint8)
    bitmap[1, :20, :20] = 1 - np.tri(20, dtype=np.uint8)
    joined = rectangles([(0, 0, 20, 20, 0.9, 1)] * 2).with_masks(InstanceMasks.from_bitmaps(bitmap))
    assert len(NMSFusion(iou='box')(joined)) == 1
    assert len(NMSFusion(iou='mask')(joined)) == 2


def slow_merge(detections, members, vote=0.5, lift=None, by_outline=False):
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
        outline = sum(v * iou(flat[k], mask) for k, v in zip(rows, votes)) / votes.sum() if by_outline else 1
        gain = lift * (min(sum(own.values()), 1) - own[best])
        out += [((score + gain * (c == best)) * outline, c, mask) for c, score in own.items()]
    return sorted(out, key=lambda row: -row[0])


@pytest.mark.parametrize(
    ('fusion', 'slow'),
    [(WeightedMaskFusion, {'vote': vote}) for vote in (0.3, 0.5)]
    + [(SharedMaskFusion, {'lift': lift, 'by_outline': by}) for lift in (0, 0.5, 1) for by in (True, False)],
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
    merged = SharedMaskFusion(by_outline=False)(joined, weights=[1] * 4)
    # Rows 10 to 12 have 1.1 of 1.9 votes. Class 1 scores 1.2 / 4 and gains half of class 2's 0.7 / 4.
    assert merged.labels.tolist() == [1, 3, 2]
    np.testing.assert_allclose(merged.scores, [0.3 + 0.0875, 0.225, 0.175])
    assert merged.bboxes.tolist() == [[0, 0, 10, 12], [30, 0, 10, 10], [0, 0, 10, 12]]
    # The first voter has 100 of the 120 px.
    outline = (0.8 * 100 / 120 + 1.1) / 1.9
    scores = SharedMaskFusion()(joined, weights=[1] * 4).scores
    np.testing.assert_allclose(scores, [(0.3 + 0.0875) * outline, 0.225, 0.175 * outline])
    assert key(merged) == [(0, 0), (1, 1), (1, 0)]  # what led: each class's best detection


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


def test_member_weights(rectangles):
    joined = rectangles([(*CELL, 0.5, 1)], [(0, 0, 10, 12, 0.5, 2)])
    # Scores × weights relative to the highest: 1/6 and 1/2; over all weights 4/3.
    merged = WeightedMaskFusion()(joined, weights=[1, 3])
    np.testing.assert_allclose(merged.scores, [(0.5 / 3 + 0.5) / (4 / 3)])
    shared = SharedMaskFusion(lift=0, by_outline=False)(joined, weights=[1, 3])
    np.testing.assert_allclose(shared.scores, [1.5 / 4, 0.5 / 4])
    assert (merged.labels.tolist(), shared.labels.tolist()) == ([2], [2, 1])
    assert np.unique([*merged.bboxes, *shared.bboxes], axis=0).tolist() == [[0, 0, 10, 12]]
    assert NMSFusion()(joined, weights=[1, 2]).scores.tolist() == [0.5]
    with pytest.raises(ValueError, match=r'weights are \[1\.0, 0\.0\], expected finite numbers above 0'):
        NMSFusion()(joined, weights=[1, 0])


def test_rules_of_score_class_and_pixels(rectangles):
    cluster, scores, weights = np.array([0, 0, 1]), np.array([0.8, 0.4, 0.6]), np.ones(3)
    expected = {'agreement': [0.3, 0.15], 'max_agreement': [0.4, 0.15], 'mean': [0.6, 0.6]}
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


@ALL
def test_one_member_and_none(rectangles, fusion):
    one = rectangles([(*CELL, 0.6, 1), (20, 0, 30, 10, 0.7, 2)])
    merged = fusion()(one)
    assert key(merged) == [(0, 1), (0, 0)]
    entry = merged.to_entries(7)[0]
    rle = entry.pop('segmentation')
    assert entry == {'image_id': 7, 'bbox': [20.0, 0.0, 10.0, 10.0], 'score': 0.7, 'category_id': 2}
    assert InstanceMasks.from_rles([rle], 40, 60).to_rles() == one.masks[1].to_rles()
    assert len(fusion()(rectangles([]))) == len(fusion(hidden_factor=0.5)(rectangles([], []), weights=[1, 1])) == 0


@pytest.mark.parametrize(
    'fusion',
    [NMSFusion(), NMSFusion(iou='mask'), SharedMaskFusion()]
    + [WeightedMaskFusion(iou=iou, rescoring=rule) for iou in ('box', 'mask') for rule in RESCORINGS],
)
def test_the_order_of_members_changes_nothing_without_ties(random_members, fusion):
    members = random_members(3, members=5)
    every = np.array([0.7, 0.3, 0.9, 0.55, 0.21])  # whose sum depends on the order, added one by one
    assert len({sum(every[list(order)].tolist()) for order in itertools.permutations(range(5))}) > 1
    outcomes = []
    for order in list(itertools.permutations(range(5)))[::5]:
        joined = Detections.from_entries([members[m] for m in order], 40, 60)
        outcomes.append(fusion(joined, weights=every[list(order)]).to_entries(1))
    assert all(outcome == outcomes[0] for outcome in outcomes)


@ALL
@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'iou': 'giou'}, "iou is 'giou', expected one of"),
        ({'threshold': 1.0}, r'threshold is 1\.0, expected a number from 0 to below 1'),
        ({'hidden_factor': -0.1}, 'hidden_factor is'),
        ({'hidden_factor': 1.5}, 'hidden_factor is'),
        ({'hidden_factor': float('nan')}, 'hidden_factor is'),
        ({'max_per_image': 0}, 'max_per_image is 0'),
        ({'treshold': 0.4}, "unexpected keyword argument 'treshold'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(fusion, options, message):
    with pytest.raises(ValueError, match=f'(?:fusion {fusion.__name__}: .*)?{message}'):
        build_fusion({'type': fusion.__name__, **options})


def test_fusions_are_built_by_name_here_and_by_mmdetection():
    import_module('mmcellseg.components')
    for build in (build_fusion, TASK_UTILS.build):
        assert build({'type': 'NMSFusion', 'threshold': 0.4}).threshold == 0.4
        with pytest.raises(ValueError, match='vote_threshold is 1, expected'):
            build({'type': 'WeightedMaskFusion', 'vote_threshold': 1})
        with pytest.raises(ValueError, match="rescoring is 'sum', expected one of"):
            build({'type': 'WeightedMaskFusion', 'rescoring': 'sum'})
        with pytest.raises(ValueError, match=r'lift is 1\.1, expected'):
            build({'type': 'SharedMaskFusion', 'lift': 1.1})
    names = 'NMSFusion, SharedMaskFusion, WeightedMaskFusion'
    for kind in ('NmsFusion', 'AnchorGenerator', None):
        with pytest.raises(ValueError, match=f'fusion type {kind!r}, expected one of {names}'):
            build_fusion({'type': kind})
