import numpy as np
import pytest
from drawn_cells import annotations, as_predictions, disc, predictions, random_case, rectangle
from scipy.optimize import linear_sum_assignment

from mmcellseg.evaluation import panoptic
from mmcellseg.evaluation.evaluate import evaluate_results
from mmcellseg.structures.masks import InstanceMasks

SHAPE = (20, 20)


def masks(*bitmaps: np.ndarray) -> InstanceMasks:
    return InstanceMasks.from_bitmaps(np.stack(bitmaps))


def maps_overlap(gt_map: np.ndarray, pred_map: np.ndarray) -> panoptic.Overlap:
    return panoptic.overlap(gt_map, pred_map, int(gt_map.max()), int(pred_map.max()))


def slow_scores(gt_map: np.ndarray, pred_map: np.ndarray) -> tuple[float, float, float, float]:
    """PQ, AJI, AJI+ and Dice by comparing every instance with every other as whole bitmaps.

    AJI+ by the published rule: one assignment over the whole matrix of IoU (with 1e-6 beside the union).
    """
    cells = [gt_map == k for k in np.unique(gt_map) if k]
    found = [pred_map == k for k in np.unique(pred_map) if k]
    inter = np.array([[(c & f).sum() for f in found] for c in cells])
    union = np.array([[(c | f).sum() for f in found] for c in cells])
    iou = inter / union
    tp = int((iou > 0.5).sum())
    pq = iou[iou > 0.5].sum() / (tp + (len(cells) - tp) / 2 + (len(found) - tp) / 2)

    def jaccard(rows: np.ndarray, columns: np.ndarray) -> float:
        shared = inter[rows, columns] > 0
        rows, columns = rows[shared], columns[shared]
        lone = sum(c.sum() for k, c in enumerate(cells) if k not in rows)
        lone += sum(f.sum() for k, f in enumerate(found) if k not in columns)
        return inter[rows, columns].sum() / (union[rows, columns].sum() + lone)

    aji = jaccard(np.arange(len(cells)), iou.argmax(axis=1))
    aji_plus = jaccard(*linear_sum_assignment(-inter / (union + 1e-6)))
    return pq, aji, aji_plus, 2 * inter.sum() / ((gt_map > 0).sum() + (pred_map > 0).sum())


def test_pq_aji_and_dice_by_hand() -> None:
    """Cell A (10 px) found with 8 of its px, cell B (10 px) missed, a prediction C (4 px) on nothing."""
    gt_map = panoptic.label_map(masks(rectangle(SHAPE, 0, 0, 10, 1), rectangle(SHAPE, 0, 5, 10, 6)))
    pred_map = panoptic.label_map(masks(rectangle(SHAPE, 0, 0, 8, 1), rectangle(SHAPE, 12, 12, 16, 13)))
    pairs = maps_overlap(gt_map, pred_map)
    counts = panoptic.pq_counts(pairs)
    assert counts == (1, 1, 1, 0.8)
    assert panoptic.qualities(counts)[0] == 0.8 / (1 + 0.5 + 0.5)
    assert panoptic.aji(pairs) == 8 / (10 + 10 + 4)
    assert panoptic.dice(pairs) == 2 * 8 / (20 + 12)


def test_aji_takes_the_larger_of_equal_partners_whatever_their_order() -> None:
    """A cell of 12 px. One prediction has 3 of it and nothing else, one 4 and 4 beside: both of IoU 3/12 = 4/16."""
    cell, part = rectangle(SHAPE, 0, 0, 12, 1), rectangle(SHAPE, 0, 0, 3, 1)
    beside = rectangle(SHAPE, 8, 0, 16, 1)
    gt_map = panoptic.label_map(masks(cell))
    for pair in ((part, beside), (beside, part)):
        pairs = maps_overlap(gt_map, panoptic.label_map(masks(*pair)))
        assert pairs.iou.tolist() == [0.25, 0.25]
        assert panoptic.aji(pairs) == panoptic.aji_plus(pairs) == 4 / (16 + 3)


def test_aji_does_not_depend_on_the_order_of_partners_of_one_size() -> None:
    """Two halves of cell A; the left one also has cell B's only pixels. Whichever comes first in the file, A takes
    the half that comes first in the image, so that the other one is left over: (4 + 1) / (8 + 5 + 5)."""
    gt_map = panoptic.label_map(masks(rectangle(SHAPE, 1, 0, 9, 1), rectangle(SHAPE, 0, 1, 5, 2)))
    left = rectangle(SHAPE, 1, 0, 5, 1) | rectangle(SHAPE, 0, 1, 1, 2)
    right = rectangle(SHAPE, 5, 0, 10, 1)
    for pair in ((left, right), (right, left)):
        pairs = maps_overlap(gt_map, panoptic.label_map(masks(*pair)))
        assert sorted(pairs.iou.tolist()) == [1 / 9, 4 / 9, 4 / 9]
        assert panoptic.aji(pairs) == 5 / (9 + 9 + 5)


def test_aji_lets_two_cells_take_one_prediction_and_aji_plus_does_not() -> None:
    """Merged: both cells (6 and 4 px) take the one prediction of 10 px: (6 + 4) / (10 + 10). Of AJI+ the larger one has
    it: 6 / (10 + 4). Then split."""
    gt_map = panoptic.label_map(masks(rectangle(SHAPE, 0, 0, 6, 1), rectangle(SHAPE, 6, 0, 10, 1)))
    whole = panoptic.label_map(masks(rectangle(SHAPE, 0, 0, 10, 1)))
    assert panoptic.aji(maps_overlap(gt_map, whole)) == 10 / 20
    assert panoptic.aji_plus(maps_overlap(gt_map, whole)) == 6 / (10 + 4)
    assert panoptic.aji_plus(maps_overlap(whole, gt_map)) == 6 / (10 + 4)


def test_nothing_at_all_is_undefined() -> None:
    pairs = panoptic.overlap(np.zeros(SHAPE, int), np.zeros(SHAPE, int), 0, 0)
    figures = (
        panoptic.qualities(panoptic.pq_counts(pairs))[0],
        panoptic.aji(pairs),
        panoptic.aji_plus(pairs),
        panoptic.dice(pairs),
    )
    assert np.isnan(figures).all()


@pytest.mark.parametrize('seed', range(12))
def test_against_slow_scores_on_label_maps(seed: int) -> None:
    """Predictions near cells, and for odd seeds of places of their own."""
    rng = np.random.default_rng(seed)
    shape = (60, 70)
    centres = rng.uniform(5, 55, (30, 2))
    cells = masks(*(disc(shape, x, y, rng.uniform(3, 7)) for x, y in centres))
    places = rng.uniform(0, 60, (40, 2)) if seed % 2 else np.tile(centres, (2, 1))
    moved = masks(*(disc(shape, *(place + rng.normal(0, 1.5, 2)), rng.uniform(3, 7)) for place in places))
    order = panoptic.score_order(rng.random(len(moved)).round(1), 0.4)
    gt_map, pred_map = panoptic.label_map(cells), panoptic.label_map(moved, order)
    pairs = panoptic.overlap(gt_map, pred_map, len(cells), len(moved))
    pq, *_ = panoptic.qualities(panoptic.pq_counts(pairs))
    ours = pq, panoptic.aji(pairs), panoptic.aji_plus(pairs), panoptic.dice(pairs)
    assert ours == pytest.approx(slow_scores(gt_map, pred_map), abs=1e-12)
    assert 0.05 < min(ours[1:]) < max(ours) < 0.95


def test_the_two_means_over_classes_by_hand() -> None:
    """Class 1: found in image 1, missed in image 2. Class 2: only in image 2, found at IoU 0.8."""
    square, bar = rectangle(SHAPE, 0, 0, 5, 5), rectangle(SHAPE, 0, 10, 10, 11)
    data = annotations({1: SHAPE, 2: SHAPE}, [(1, 1, square), (2, 1, square), (2, 2, bar)])
    results = predictions([(1, 1, square, 0.9), (2, 2, rectangle(SHAPE, 0, 10, 8, 11), 0.9)])
    figures = evaluate_results(results, data, metrics=['panoptic'])
    assert figures['PQ_class1'] == pytest.approx((1 + 0) / 2)
    assert figures['PQ_class2'] == pytest.approx(0.8)
    assert figures['PQ'] == pytest.approx((1 + (0 + 0.8) / 2) / 2)  # of the classes in an image, then of the images
    assert figures['DQ'] == pytest.approx((1 + (0 + 1) / 2) / 2)
    assert figures['SQ'] == pytest.approx((1 + (0 + 0.8) / 2) / 2)
    assert (figures['DQ_class1'], figures['SQ_class2']) == (0.5, pytest.approx(0.8))
    assert figures['PQ+_class1'] == pytest.approx(1 / (1 + 0.5))
    assert figures['mPQ+'] == pytest.approx((1 / 1.5 + 0.8) / 2)
    assert figures['bPQ'] == pytest.approx((1 + 0.8 / (1 + 0.5)) / 2)
    assert figures['bDQ'] == pytest.approx((1 + 1 / (1 + 0.5)) / 2)
    assert figures['bSQ'] == pytest.approx((1 + 0.8) / 2)
    assert figures['AJI'] == pytest.approx((1 + 8 / 35) / 2)
    assert figures['Dice'] == pytest.approx((1 + 16 / (35 + 8)) / 2)


def test_the_score_decides_overlaps_and_the_threshold_who_takes_part() -> None:
    cell = rectangle(SHAPE, 0, 0, 10, 1)
    data = annotations({1: SHAPE}, [(1, 1, cell)])
    wrong = rectangle(SHAPE, 0, 0, 6, 1)
    results = predictions([(1, 1, cell, 0.7), (1, 2, wrong, 0.8)])
    best = evaluate_results(results, data, metrics=['panoptic'])
    assert best['bPQ'] == pytest.approx(0.6 / 1.5)  # the better score keeps 6 px: IoU 0.6, and 0.4 is no match
    assert best['PQ_class1'] == 0
    results[1]['score'] = 0.49
    assert evaluate_results(results, data, metrics=['panoptic'])['PQ_class1'] == 1.0
    assert evaluate_results(results, data, metrics=['panoptic'], score_thr=0.75)['bPQ'] == 0.0


def test_perfect_prediction_is_exactly_one() -> None:
    data, _ = random_case(np.random.default_rng(3))  # cells overlap: both sides resolve them in the same order
    figures = evaluate_results(as_predictions(data), data, metrics=['panoptic'])
    for key in ('PQ', 'mPQ+', 'bPQ', 'AJI', 'Dice', 'F1', 'F1_class1', 'PQ_class3', 'PQ+_class2'):
        assert figures[key] == 1.0, key
    assert np.isnan(figures['PQ_class4'])


def test_a_crowd_region_is_cut_out_of_the_predictions() -> None:
    cell, region = rectangle(SHAPE, 0, 0, 6, 6), rectangle(SHAPE, 0, 10, 20, 20)
    data = annotations({1: SHAPE}, [(1, 1, cell), (1, 1, region, True)])
    results = predictions([(1, 1, cell, 0.9), (1, 2, rectangle(SHAPE, 3, 12, 8, 18), 0.8)])
    figures = evaluate_results(results, data, metrics=['panoptic'])
    assert (figures['bPQ'], figures['AJI'], figures['Dice'], figures['F1']) == (1.0, 1.0, 1.0, 1.0)
