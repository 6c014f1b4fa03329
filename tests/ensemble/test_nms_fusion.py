"""NMS over members against the definition, mmcv's nms, and cases worked by hand."""

import itertools

import numpy as np
import pytest
import torch
from mmcv.ops import nms
from mmdet.registry import TASK_UTILS

from mmcellseg.ensemble import NMSFusion
from mmcellseg.ensemble.detections import Detections


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
def test_the_default_keeps_what_torchvision_keeps(random_members, levels, threshold):
    for seed in range(8):
        joined = Detections.from_entries(random_members(seed, levels=levels), 40, 60)
        kept = torchvision_nms(joined.boxes.tolist(), joined.scores.tolist(), threshold)
        assert key(NMSFusion(threshold=threshold)(joined)) == key(joined[np.array(kept)])


def test_the_default_keeps_what_torchvision_itself_keeps(random_members):
    torchvision = pytest.importorskip('torchvision', reason='torchvision is not among the requirements')
    for seed in range(8):
        joined = Detections.from_entries(random_members(seed), 40, 60)
        for threshold in (0.0, 0.3, 0.45, 0.7):
            kept = torchvision.ops.nms(torch.tensor(joined.boxes), torch.tensor(joined.scores), threshold)
            assert key(NMSFusion(threshold=threshold)(joined)) == key(joined[kept.numpy()])


def test_the_default_keeps_what_mmcv_keeps(random_members):
    for seed in range(8):
        joined = Detections.from_entries(random_members(seed), 40, 60)
        assert len(set(joined.scores.astype(np.float32))) == len(joined)  # of equal scores mmcv may keep another
        _, kept = nms(torch.tensor(joined.boxes).float(), torch.tensor(joined.scores).float(), 0.45)
        assert key(NMSFusion(threshold=0.45)(joined)) == key(joined[kept.numpy()])


def test_exactly_the_threshold_is_not_suppressed(rectangles):
    pair = rectangles([(0, 0, 10, 10, 0.9, 1)], [(0, 0, 5, 10, 0.8, 1)])  # IoU 1/2 of boxes and of masks
    for iou in ('box', 'mask'):
        assert len(NMSFusion(iou=iou, threshold=0.5)(pair)) == 2
        assert len(NMSFusion(iou=iou, threshold=0.49)(pair)) == 1
    assert len(NMSFusion(iou='mask_min', threshold=0.99)(pair)) == 1


def test_ties_go_by_score_then_member_then_index(rectangles):
    cell = (0, 0, 10, 10)
    joined = rectangles(
        [(30, 0, 40, 10, 0.5, 1), (*cell, 0.5, 1), (*cell, 0.5, 2)],
        [(*cell, 0.5, 3), (30, 0, 40, 10, 0.6, 3)],
    )
    assert key(NMSFusion()(joined)) == [(1, 1), (0, 1)]


def test_classes_across_and_apart(rectangles):
    joined = rectangles([(0, 0, 10, 10, 0.6, 1)], [(0, 0, 10, 10, 0.7, 2)], [(0, 0, 10, 9, 0.5, 1)])
    assert NMSFusion()(joined).labels.tolist() == [2]
    assert key(NMSFusion(class_wise=True)(joined)) == [(1, 0), (0, 0)]


def test_mask_iou_keeps_cells_that_only_share_a_box(rectangles):
    joined = rectangles([(0, 0, 20, 20, 0.9, 1)])
    bitmap = np.zeros((2, 40, 60), np.uint8)
    bitmap[0, :20, :20] = np.tri(20, dtype=np.uint8)
    bitmap[1, :20, :20] = 1 - np.tri(20, dtype=np.uint8)
    joined = joined[np.array([0, 0])].with_masks(type(joined.masks).from_bitmaps(bitmap))
    assert len(NMSFusion(iou='box')(joined)) == 1
    assert len(NMSFusion(iou='mask')(joined)) == 2


def test_one_member_and_none(rectangles):
    one = rectangles([(0, 0, 10, 10, 0.6, 1), (20, 0, 30, 10, 0.7, 2)])
    merged = NMSFusion()(one)
    assert key(merged) == [(0, 1), (0, 0)]
    entries = merged.to_entries(7)
    assert entries[0] == {
        'image_id': 7,
        'bbox': [20.0, 0.0, 10.0, 10.0],
        'score': 0.7,
        'category_id': 2,
        'segmentation': one.rles[1],
    }
    assert len(NMSFusion()(rectangles([]))) == len(NMSFusion()(rectangles([], []))) == 0


def test_weights_scale_scores_relative_to_the_highest(rectangles):
    joined = rectangles([(0, 0, 10, 10, 0.8, 1)], [(0, 0, 10, 10, 0.5, 2)])
    merged = NMSFusion()(joined, weights=[1, 2])
    assert merged.labels.tolist() == [2]
    assert merged.scores.tolist() == [0.5]
    with pytest.raises(ValueError, match=r'weights are \[1\.0, 0\.0\], expected finite numbers above 0'):
        NMSFusion()(joined, weights=[1, 0])


@pytest.mark.parametrize('iou', ['box', 'mask'])
def test_the_order_of_members_changes_nothing_without_ties(random_members, iou):
    members = random_members(3, members=3)
    outcomes = []
    for order in itertools.permutations(range(3)):
        merged = NMSFusion(iou=iou)(Detections.from_entries([members[m] for m in order], 40, 60))
        outcomes.append(list(merged.to_entries(1)))
    assert all(outcome == outcomes[0] for outcome in outcomes)


def test_registered():
    assert isinstance(TASK_UTILS.build({'type': 'NMSFusion', 'iou': 'mask'}), NMSFusion)
