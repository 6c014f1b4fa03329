"""Second guesses: which masks lie under better ones, and what becomes of their scores."""

import numpy as np
import pytest

from mmcellseg.components.box_masks import BoxMasks
from mmcellseg.ensemble import NMSFusion, WeightedMaskFusion
from mmcellseg.ensemble.detections import Detections
from mmcellseg.ensemble.fusion import hidden_by_better


def strips(*spans):
    """Masks of one row each, from x0 to x1 of 20 px."""
    bitmaps = np.zeros((len(spans), 1, 20), np.uint8)
    for bitmap, (x0, x1) in zip(bitmaps, spans):
        bitmap[0, x0:x1] = 1
    return BoxMasks.from_bitmaps(bitmaps)


def test_more_than_half_counts_and_half_does_not():
    # 5 of 10 px under the first; 6 of 10.
    assert hidden_by_better(strips((0, 10), (5, 15))).tolist() == [False, False]
    assert hidden_by_better(strips((0, 10), (4, 14))).tolist() == [False, True]


def test_several_better_ones_hide_together():
    assert hidden_by_better(strips((0, 4), (6, 10), (0, 10))).tolist() == [False, False, True]


def test_what_is_hidden_hides_nothing():
    # The second is hidden. The third has 4 of its 8 px under the first, and 7 under first and second.
    assert hidden_by_better(strips((0, 10), (3, 13), (6, 14))).tolist() == [False, True, False]


def test_no_masks_and_empty_masks_are_not_hidden():
    assert hidden_by_better(strips()).shape == (0,)
    assert hidden_by_better(strips((0, 10), (5, 5))).tolist() == [False, False]


def slow(bitmaps, share):
    kept, out = [], []
    for mask in bitmaps.astype(bool):
        under = mask & np.any(kept, axis=0) if kept else np.zeros_like(mask)
        out.append(under.sum() / max(mask.sum(), 1) > share)
        if not out[-1]:
            kept.append(mask)
    return out


@pytest.mark.parametrize('share', [0.0, 0.25, 0.5, 0.9])
@pytest.mark.parametrize('seed', range(5))
def test_equals_the_slow_search_over_whole_bitmaps(random_members, seed, share):
    entries = [entry for member in random_members(seed, cells=25) for entry in member]
    masks = BoxMasks.from_rles([entry['segmentation'] for entry in entries], 40, 60)
    found = hidden_by_better(masks, share)
    assert found.tolist() == slow(masks.to_ndarray(), share)
    assert found.any()


@pytest.mark.parametrize('fusion', [NMSFusion, WeightedMaskFusion])
def test_second_guesses_in_another_class_lose_score(rectangles, fusion):
    # The second covers the first's cell in another class; the third is another cell.
    rows = [(0, 0, 10, 10, 0.9, 1), (1, 0, 11, 10, 0.8, 2), (20, 0, 30, 10, 0.5, 2)]
    merged = fusion(iou='mask', class_wise=True, hidden_factor=0.5)(rectangles(rows))
    assert list(zip(merged.scores.tolist(), merged.labels.tolist())) == [(0.9, 1), (0.5, 2), (0.4, 2)]
    assert fusion(iou='mask', class_wise=True)(rectangles(rows)).scores.tolist() == [0.9, 0.8, 0.5]


def test_floor_and_cap_count_the_lowered_scores(rectangles):
    rows = [(0, 0, 10, 10, 0.9, 1), (1, 0, 11, 10, 0.8, 2), (20, 0, 30, 10, 0.5, 2)]
    options = {'iou': 'mask', 'class_wise': True, 'hidden_factor': 0.5}
    assert NMSFusion(final_score_floor=0.45, **options)(rectangles(rows)).scores.tolist() == [0.9, 0.5]
    assert NMSFusion(max_per_image=2, **options)(rectangles(rows)).scores.tolist() == [0.9, 0.5]


def test_no_detections_stay_none():
    nothing = Detections.from_entries([[], []], 40, 60)
    assert len(WeightedMaskFusion(hidden_factor=0.5)(nothing, weights=[1, 1])) == 0


@pytest.mark.parametrize('factor', [-0.1, 1.5, float('nan')])
def test_a_factor_that_is_none_is_refused(factor):
    with pytest.raises(ValueError, match='hidden_factor is'):
        NMSFusion(hidden_factor=factor)
