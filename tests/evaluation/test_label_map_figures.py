import numpy as np
import pytest
from drawn_cells import annotations, disc, predictions, random_case, rectangle
from scipy.optimize import linear_sum_assignment

from mmcellseg.evaluation.evaluate import evaluate_results
from mmcellseg.evaluation.ground_truth import GroundTruth
from mmcellseg.evaluation.label_map_figures import MASK_IOUS, label_maps
from mmcellseg.evaluation.predictions import Predictions

SHAPE = (20, 20)


def stardist_counts(gt_map: np.ndarray, pred_map: np.ndarray, threshold: float) -> tuple[int, int, int]:
    """TP, FP and FN by StarDist's rule: the assignment with most pairs of IoU ≥ threshold, then the greatest sum."""
    cells = [gt_map == k for k in np.unique(gt_map) if k]
    found = [pred_map == k for k in np.unique(pred_map) if k]
    if not cells or not found:
        return 0, len(found), len(cells)
    iou = np.array([[(c & f).sum() / (c | f).sum() for f in found] for c in cells])
    rows, columns = linear_sum_assignment(-(iou >= threshold).astype(float) - iou / (2 * min(iou.shape)))
    tp = int((iou[rows, columns] >= threshold).sum())
    return tp, len(found) - tp, len(cells) - tp


@pytest.mark.parametrize('seed', range(4))
def test_precision_recall_and_f1_at_mask_ious_against_stardists_rule(seed: int) -> None:
    """Pooled over the images; a class's figures are those of label maps of this class alone."""
    data, results = random_case(np.random.default_rng(seed), ties=seed % 2 == 1, most=70)
    gt = GroundTruth(data)
    found = Predictions(results, gt)
    figures = evaluate_results(results, gt, metrics=['matching'], score_thr=0.3)
    seen = set()
    for threshold in MASK_IOUS:
        for category, name in [(None, ''), *((c, f'_{n}') for c, n in gt.categories.items())]:
            total = np.zeros(3, int)
            for image_id in gt.images:
                maps = label_maps(gt, found, image_id, 0.3)
                if category is not None:
                    of_label = gt.category_ids[gt.rows(image_id)], found.category_ids[found.rows(image_id)]
                    maps = tuple(
                        np.where(np.append(0, classes)[m] == category, m, 0) for m, classes in zip(maps, of_label)
                    )
                total += stardist_counts(*maps, threshold)
            tp, fp, fn = total.tolist()
            expected = [tp / max(tp + fp, 1), tp / max(tp + fn, 1), 2 * tp / max(2 * tp + fp + fn, 1)]
            if tp + fp + fn == 0:
                expected = [np.nan] * 3
            ours = [figures[f'{key}@{threshold}{name}'] for key in ('precision', 'recall', 'F1')]
            np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12)
            seen.add(ours[2])
    assert len(seen) > 10


def test_at_an_iou_of_exactly_a_half_one_of_two_halves_counts() -> None:
    """PQ takes neither (it matches above 0.5), StarDist and Cellpose one: of each class where the classes differ."""
    cells = [(1, 1, rectangle(SHAPE, 0, 0, 10, 1))]
    halves = [(1, 1, rectangle(SHAPE, 0, 0, 5, 1), 0.9), (1, 1, rectangle(SHAPE, 5, 0, 10, 1), 0.8)]
    data = annotations({1: SHAPE}, cells)
    figures = evaluate_results(predictions(halves), data, metrics=['panoptic', 'matching'])
    assert (figures['precision@0.5'], figures['recall@0.5'], figures['F1@0.5']) == (1 / 2, 1.0, 2 / 3)
    assert (figures['DQ'], figures['F1@0.6']) == (0.0, 0.0)
    other = [(1, 2, *halves[0][2:]), halves[1]]
    figures = evaluate_results(predictions(other), data, metrics=['matching'])
    assert (figures['precision@0.5_class1'], figures['recall@0.5_class1']) == (1.0, 1.0)
    assert (figures['precision@0.5_class2'], figures['recall@0.5_class2']) == (0.0, 0.0)


def test_pq_is_the_mean_of_the_classes_of_an_image_then_of_the_images() -> None:
    """Image 1 has both classes (PQ 1 and 0), image 2 one (PQ 1): (0.5 + 1) / 2, not the mean of three. A class that
    is predicted where it has no cells, as in image 2, and an image without cells play no part."""
    square, bar = rectangle(SHAPE, 0, 0, 5, 5), rectangle(SHAPE, 0, 10, 10, 11)
    data = annotations({1: SHAPE, 2: SHAPE, 3: SHAPE}, [(1, 1, square), (1, 2, bar), (2, 1, square)])
    found = predictions([(1, 1, square, 0.9), (2, 1, square, 0.9), (2, 2, bar, 0.9), (3, 1, square, 0.9)])
    figures = evaluate_results(found, data, metrics=['panoptic'])
    assert figures['PQ'] == (0.5 + 1) / 2
    assert (figures['PQ_class1'], figures['PQ_class2']) == (1.0, 0.0)
    assert figures['bPQ'] == (1 / 1.5 + 1 / 1.5 + 0) / 3


def test_a_class_without_cells_is_0_in_pooled_figures_when_it_was_predicted() -> None:
    square, bar = rectangle(SHAPE, 0, 0, 5, 5), rectangle(SHAPE, 0, 10, 10, 11)
    data = annotations({1: SHAPE}, [(1, 1, square)], classes=3)
    figures = evaluate_results(
        predictions([(1, 1, square, 0.9), (1, 2, bar, 0.9)]), data, metrics=['segm', 'panoptic', 'matching']
    )
    for key in ('PQ+', 'F1', 'F1@0.5', 'precision@0.5', 'recall@0.5'):
        assert (figures[f'{key}_class1'], figures[f'{key}_class2']) == (1.0, 0.0), key
        assert np.isnan(figures[f'{key}_class3'])
    assert figures['mPQ+'] == 0.5
    for key in ('PQ', 'DQ', 'SQ', 'segm_AP'):
        assert np.isnan([figures[f'{key}_class2'], figures[f'{key}_class3']]).all(), key
        assert figures[key] == 1.0


def test_counts_of_r_squared_are_those_of_the_label_maps() -> None:
    """Class 1 has 2, 1 and 0 cells, found 1, 1 and 1 above the score: 1 − (1 + 0 + 1) / (1 + 0 + 1). Class 2 has no
    cells at all. A cell or prediction that is hidden, or below the score, is not counted."""
    squares = [rectangle(SHAPE, 6 * k, 0, 6 * k + 4, 4) for k in range(3)]
    inside = rectangle(SHAPE, 1, 1, 3, 3)
    cells = [(1, 1, squares[0]), (1, 1, squares[1]), (2, 1, squares[0]), (2, 1, inside)]
    found = [(1, 1, squares[0], 0.9), (1, 1, inside, 0.8), (2, 1, squares[2], 0.5), (3, 1, squares[0], 0.6)]
    found += [(3, 1, squares[1], 0.4)]
    figures = evaluate_results(
        predictions(found), annotations(dict.fromkeys((1, 2, 3), SHAPE), cells), metrics=['panoptic']
    )
    assert figures['R2_class1'] == figures['R2'] == 1 - 2 / 2
    assert np.isnan(figures['R2_class2'])


def test_the_radius_of_f1_is_an_option() -> None:
    shape = (40, 40)
    data = annotations({1: shape}, [(1, 1, disc(shape, 10, 10, 4))])
    found = predictions([(1, 1, disc(shape, 18, 10, 4), 0.9)])
    assert evaluate_results(found, data, metrics=['panoptic'])['F1'] == 1.0
    assert evaluate_results(found, data, metrics=['panoptic'], f1_radius=6)['F1'] == 0.0
