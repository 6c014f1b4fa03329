"""What all fusions share: floors, cap, areas, pieces, calibration."""

import numpy as np
import pytest

from mmcellseg.components.box_masks import BoxMasks
from mmcellseg.ensemble import NMSFusion, WeightedMaskFusion, build_fusion
from mmcellseg.ensemble.calibration import Calibration, apply_curve
from mmcellseg.ensemble.fusion import largest_components

BOTH = pytest.mark.parametrize('fusion', [NMSFusion, WeightedMaskFusion])


def apart(*scores, side=10):
    return [(12 * k, 0, 12 * k + side, side, score, 1) for k, score in enumerate(scores)]


@BOTH
def test_floor_before_merging(rectangles, fusion):
    joined = rectangles(apart(0.9, 0.3), apart(0.2))
    merged = fusion(score_floor=0.3)(joined, weights=[1, 1])
    assert len(merged) == 2
    assert 0.2 not in merged.scores


def test_floor_before_counts_calibrated_scores_without_weights(rectangles):
    joined = rectangles(apart(0.4), apart(0.4)[:0])
    assert len(NMSFusion(score_floor=0.4)(joined, weights=[1, 100])) == 1
    lower = {'a': {'all': (1.0, -1.0)}, 'b': {}}
    assert len(NMSFusion(score_floor=0.4, calibration=lower)(joined, names=['a', 'b'])) == 0


def test_floor_after_merging(rectangles):
    joined = rectangles(apart(0.9, 0.8), apart(0.9))
    assert len(WeightedMaskFusion(final_score_floor=0.5)(joined, weights=[1, 1])) == 1
    assert len(NMSFusion(final_score_floor=0.85)(joined)) == 1


@BOTH
def test_cap_keeps_the_best(rectangles, fusion):
    merged = fusion(max_per_image=2)(rectangles(apart(0.5, 0.9, 0.7)))
    assert merged.scores.tolist() == [0.9, 0.7]
    with pytest.raises(ValueError, match='max_per_image is 0'):
        fusion(max_per_image=0)


@BOTH
def test_small_cells_are_left_out(rectangles, fusion):
    joined = rectangles([*apart(0.5), (30, 20, 33, 23, 0.9, 1)])
    assert len(fusion(min_area=9)(joined)) == 2
    assert fusion(min_area=10)(joined).scores.tolist() == [0.5]


@BOTH
def test_largest_piece_and_its_box(rectangles, fusion):
    bitmap = np.zeros((1, 40, 60), np.uint8)
    bitmap[0, 2:8, 2:8] = 1
    bitmap[0, 20:23, 30:33] = 1
    joined = rectangles(apart(0.5), [])
    joined = joined.with_masks(BoxMasks.from_bitmaps(bitmap))
    merged = fusion(largest_component=True)(joined, weights=[1, 1])
    assert merged.bboxes.tolist() == [[2, 2, 6, 6]]
    assert merged.masks.areas.tolist() == [36]
    assert fusion()(joined, weights=[1, 1]).bboxes.tolist() == [[2, 2, 31, 21]]


def test_pieces_that_touch_at_a_corner_are_one():
    bitmaps = np.zeros((3, 8, 8), np.uint8)
    bitmaps[0, :2, :2] = bitmaps[0, 2:4, 2:4] = 1
    bitmaps[1, 0, 0] = bitmaps[1, 5, 5] = 1
    bitmaps[2, 0, 0] = bitmaps[2, 4:7, 5] = 1
    several, pieces = largest_components(BoxMasks.from_bitmaps(bitmaps))
    assert several.tolist() == [False, True, True]
    assert pieces.tight_boxes().tolist() == [[0, 0, 1, 1], [5, 4, 6, 7]]


@BOTH
def test_calibration_by_member_and_class(rectangles, fusion):
    curves = {'a': {'1': (2.0, 0.5), 'all': (1.0, 0.0)}, 'b': {'all': (0.5, -1.0)}}
    joined = rectangles([(0, 0, 9, 9, 0.8, 1), (20, 0, 29, 9, 0.8, 2)], [(40, 0, 49, 9, 0.8, 1)])
    merged = fusion(calibration=curves)(joined, names=['a', 'b'])
    share = 1 if fusion is NMSFusion else 2
    expected = [apply_curve(np.array([0.8]), c)[0] / share for c in [(2.0, 0.5), (1.0, 0.0), (0.5, -1.0)]]
    np.testing.assert_allclose(merged.scores, sorted(expected, reverse=True))
    with pytest.raises(ValueError, match=r"knows \['a', 'b'\] and not \['c'\]"):
        fusion(calibration=Calibration(curves))(joined, names=['a', 'c'])
    with pytest.raises(ValueError, match='needs the names'):
        fusion(calibration=curves)(joined)


def test_fusions_are_built_by_name_and_refused_in_words():
    assert build_fusion({'type': 'NMSFusion', 'threshold': 0.4}).threshold == 0.4
    names = 'NMSFusion, SharedMaskFusion, WeightedMaskFusion'
    for kind in ('NmsFusion', 'AnchorGenerator', None):
        with pytest.raises(ValueError, match=f'fusion type {kind!r}, expected one of {names}'):
            build_fusion({'type': kind})
    with pytest.raises(ValueError, match="fusion NMSFusion: .*unexpected keyword argument 'treshold'"):
        build_fusion({'type': 'NMSFusion', 'treshold': 0.4})
