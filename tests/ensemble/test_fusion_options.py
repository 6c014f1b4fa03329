"""What all fusions share: floors, cap, areas, pieces, calibration, hidden masks."""

import numpy as np
import pytest

from mmcellseg.ensemble import NMSFusion, WeightedMaskFusion
from mmcellseg.ensemble.calibration import apply_curve
from mmcellseg.ensemble.fusion import hidden_by_better, largest_components
from mmcellseg.structures.masks import InstanceMasks

BOTH = pytest.mark.parametrize('fusion', [NMSFusion, WeightedMaskFusion])


def apart(*scores, side=10):
    return [(12 * k, 0, 12 * k + side, side, score, 1) for k, score in enumerate(scores)]


@BOTH
def test_floors_cap_and_area(rectangles, fusion):
    joined = rectangles(apart(0.9, 0.3), apart(0.2))
    assert fusion(score_floor=0.3)(joined, weights=[1, 1]).scores.tolist() == (
        [0.9, 0.3] if fusion is NMSFusion else [0.45, 0.15]
    )
    merged = fusion(max_per_image=2)(rectangles(apart(0.5, 0.9, 0.7)))
    assert merged.scores.tolist() == [0.9, 0.7]
    assert fusion(final_score_floor=0.6)(rectangles(apart(0.5, 0.9, 0.7))).scores.tolist() == [0.9, 0.7]
    joined = rectangles([*apart(0.5), (30, 20, 33, 23, 0.9, 1)])
    assert len(fusion(min_area=9)(joined)) == 2
    assert fusion(min_area=10)(joined).scores.tolist() == [0.5]


def test_the_floor_before_counts_calibrated_scores_without_weights(rectangles):
    joined = rectangles(apart(0.4), [])
    assert len(NMSFusion(score_floor=0.4)(joined, weights=[1, 100])) == 1
    lower = {'a': {'all': (1.0, -1.0)}, 'b': {}}
    assert len(NMSFusion(score_floor=0.4, calibration=lower)(joined, names=['a', 'b'])) == 0


@BOTH
def test_largest_piece_and_its_box(rectangles, fusion):
    bitmap = np.zeros((1, 40, 60), np.uint8)
    bitmap[0, 2:8, 2:8] = 1
    bitmap[0, 20:23, 30:33] = 1
    joined = rectangles(apart(0.5), []).with_masks(InstanceMasks.from_bitmaps(bitmap))
    merged = fusion(largest_component=True)(joined, weights=[1, 1])
    assert merged.bboxes.tolist() == [[2, 2, 6, 6]]
    assert merged.masks.areas.tolist() == [36]
    assert fusion()(joined, weights=[1, 1]).bboxes.tolist() == [[2, 2, 31, 21]]


def test_pieces_that_touch_at_a_corner_are_one():
    bitmaps = np.zeros((3, 8, 8), np.uint8)
    bitmaps[0, :2, :2] = bitmaps[0, 2:4, 2:4] = 1
    bitmaps[1, 0, 0] = bitmaps[1, 5, 5] = 1
    bitmaps[2, 0, 0] = bitmaps[2, 4:7, 5] = 1
    several, pieces = largest_components(InstanceMasks.from_bitmaps(bitmaps))
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
        fusion(calibration=curves)(joined, names=['a', 'c'])
    with pytest.raises(ValueError, match='needs the names'):
        fusion(calibration=curves)(joined)


def strips(*spans):
    """Masks of one row each, from x0 to x1 of 20 px."""
    bitmaps = np.zeros((len(spans), 1, 20), np.uint8)
    for bitmap, (x0, x1) in zip(bitmaps, spans):
        bitmap[0, x0:x1] = 1
    return InstanceMasks.from_bitmaps(bitmaps)


@pytest.mark.parametrize(
    ('spans', 'hidden'),
    [
        ([(0, 10), (5, 15)], [False, False]),  # 5 of 10 px
        ([(0, 10), (4, 14)], [False, True]),  # 6 of 10
        ([(0, 4), (6, 10), (0, 10)], [False, False, True]),  # several hide together
        # What is hidden hides nothing: the third has 4 of its 8 px under the first, and 7 under first and second.
        ([(0, 10), (3, 13), (6, 14)], [False, True, False]),
        ([], []),
        ([(0, 10), (5, 5)], [False, False]),
    ],
)
def test_what_lies_under_better_ones_by_more_than_half_is_hidden(spans, hidden):
    assert hidden_by_better(strips(*spans)).tolist() == hidden


def slow(bitmaps):
    kept, out = [], []
    for mask in bitmaps.astype(bool):
        under = mask & np.any(kept, axis=0) if kept else np.zeros_like(mask)
        out.append(under.sum() / max(mask.sum(), 1) > 0.5)
        if not out[-1]:
            kept.append(mask)
    return out


def test_hidden_equals_the_slow_search_over_whole_bitmaps(random_members):
    for seed in range(5):
        entries = [entry for member in random_members(seed, cells=25) for entry in member]
        masks = InstanceMasks.from_rles([entry['segmentation'] for entry in entries], 40, 60)
        found = hidden_by_better(masks)
        assert found.tolist() == slow(masks.to_ndarray())
        assert found.any()


@BOTH
def test_second_guesses_in_another_class_lose_score(rectangles, fusion):
    # The second covers the first's cell in another class; the third is another cell.
    joined = rectangles([(0, 0, 10, 10, 0.9, 1), (1, 0, 11, 10, 0.8, 2), (20, 0, 30, 10, 0.5, 2)])
    options = {'iou': 'mask', 'class_wise': True}
    assert fusion(**options)(joined).scores.tolist() == [0.9, 0.8, 0.5]
    options['hidden_factor'] = 0.5
    merged = fusion(**options)(joined)
    assert list(zip(merged.scores.tolist(), merged.labels.tolist())) == [(0.9, 1), (0.5, 2), (0.4, 2)]
    # Floor and cap count the lowered scores.
    assert fusion(final_score_floor=0.45, **options)(joined).scores.tolist() == [0.9, 0.5]
    assert fusion(max_per_image=2, **options)(joined).scores.tolist() == [0.9, 0.5]
