"""NMS over members against the definition and mmcv, and what all three fusions keep."""

import itertools
from importlib import import_module

import numpy as np
import pytest
from mmdet.registry import TASK_UTILS

from mmcellseg.ensemble import NMSFusion, SharedMaskFusion, WeightedMaskFusion, build_fusion
from mmcellseg.ensemble.detections import Detections
from mmcellseg.ensemble.weighted_mask_fusion import RESCORINGS
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


def test_member_weights(rectangles):
    joined = rectangles([(*CELL, 0.5, 1)], [(0, 0, 10, 12, 0.5, 2)])
    # Scores × weights relative to the highest: 1/6 and 1/2; over all weights 4/3.
    merged = WeightedMaskFusion()(joined, weights=[1, 3])
    np.testing.assert_allclose(merged.scores, [(0.5 / 3 + 0.5) / (4 / 3)])
    # The first has 100 of the 120 px that they vote for.
    shared = SharedMaskFusion(lift=0)(joined, weights=[1, 3])
    np.testing.assert_allclose(shared.scores, np.array([1.5 / 4, 0.5 / 4]) * (100 / 120 + 3) / 4)
    assert (merged.labels.tolist(), shared.labels.tolist()) == ([2], [2, 1])
    assert np.unique([*merged.bboxes, *shared.bboxes], axis=0).tolist() == [[0, 0, 10, 12]]
    assert NMSFusion()(joined, weights=[1, 2]).scores.tolist() == [0.5]
    with pytest.raises(ValueError, match=r'weights are \[1\.0, 0\.0\], expected finite numbers above 0'):
        NMSFusion()(joined, weights=[1, 0])


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
