import numpy as np
import pytest
from drawn_cells import annotations, as_predictions, predictions, random_case, rectangle

from mmcellseg.evaluation import error_analysis
from mmcellseg.evaluation.evaluate import evaluate_results
from mmcellseg.evaluation.ground_truth import GroundTruth
from mmcellseg.evaluation.predictions import Predictions

SHAPE = (60, 60)


def bar(x0: int, x1: int, y: int) -> np.ndarray:
    """A mask one px high, so that IoU and areas are counted on the fingers."""
    return rectangle(SHAPE, x0, y, x1, y + 1)


def kinds_of(cells: list[tuple], found: list[tuple], score_thr: float = 0.0) -> tuple[list[str], list[str]]:
    gt = GroundTruth(annotations({1: SHAPE}, [(1, *c) for c in cells]))
    pairs = error_analysis.image_pairs(gt, Predictions(predictions([(1, *f) for f in found]), gt), 1, score_thr)
    of_pred, of_gt = error_analysis.sort_errors(pairs, error_analysis.match_cells(pairs))
    return [error_analysis.KINDS[k] for k in of_pred], [error_analysis.KINDS[k] for k in of_gt]


@pytest.mark.parametrize(
    ('cells', 'found', 'preds', 'truth'),
    [
        # IoU 0.5 with a cell of its class is right
        ([(1, bar(0, 10, 0))], [(1, bar(0, 5, 0), 0.9)], ['right'], ['right']),
        ([(1, bar(0, 10, 0))], [(2, bar(0, 8, 0), 0.9)], ['wrong class'], ['wrong class']),
        ([(1, bar(0, 10, 0))], [(1, bar(0, 4, 0), 0.9)], ['poor mask'], ['poor mask']),
        # IoU 0.1 is poor, 1/12 is background and leaves the cell missed
        ([(1, bar(0, 10, 0))], [(1, bar(9, 10, 0), 0.9)], ['poor mask'], ['poor mask']),
        ([(1, bar(0, 12, 0))], [(1, bar(11, 12, 0), 0.9)], ['background'], ['missed']),
        ([(1, bar(0, 10, 0))], [], [], ['missed']),
        ([], [(1, bar(0, 10, 0), 0.9)], ['background'], []),
        # the better score has the cell
        ([(1, bar(0, 10, 0))], [(1, bar(0, 9, 0), 0.8), (1, bar(0, 8, 0), 0.9)], ['duplicate', 'right'], ['right']),
        # the right class has it even with a lower score, as for AP
        ([(1, bar(0, 10, 0))], [(2, bar(0, 10, 0), 0.9), (1, bar(0, 8, 0), 0.5)], ['duplicate', 'right'], ['right']),
        # the best score takes its cell of highest IoU; the IoU of the other with both cells is 6/14
        (
            [(1, bar(0, 10, 0)), (1, bar(8, 18, 0))],
            [(1, bar(4, 14, 0), 0.8), (1, bar(0, 10, 0), 0.9)],
            ['merged', 'right'],
            ['right', 'merged'],
        ),
        # one prediction over three cells
        (
            [(1, bar(0, 10, 0)), (1, bar(10, 20, 0)), (2, bar(20, 30, 0))],
            [(1, bar(0, 30, 0), 0.9)],
            ['merged'],
            ['merged'] * 3,
        ),
        # two predictions inside one cell; a third one outside
        (
            [(1, bar(0, 10, 0))],
            [(1, bar(0, 4, 0), 0.9), (1, bar(6, 10, 0), 0.8), (1, bar(9, 20, 0), 0.7)],
            ['split', 'split', 'background'],
            ['split'],
        ),
        # a piece of a cell that is found already is no split
        ([(1, bar(0, 10, 0))], [(1, bar(0, 10, 0), 0.9), (1, bar(0, 4, 0), 0.8)], ['right', 'poor mask'], ['right']),
    ],
)
def test_kinds_by_hand(cells: list, found: list, preds: list, truth: list) -> None:
    assert kinds_of(cells, found) == (preds, truth)


def test_predictions_in_a_crowd_region_are_left_out() -> None:
    cells = [(1, bar(0, 10, 0)), (1, rectangle(SHAPE, 0, 0, 60, 30), True)]
    found = [(1, bar(0, 10, 0), 0.9), (1, bar(30, 40, 5), 0.9), (1, bar(0, 10, 40), 0.9)]
    assert kinds_of(cells, found) == (['right', 'background'], ['right'])


def test_confusion_matrix_by_hand() -> None:
    """Class 1: right, taken for 2, missed. Class 2: right. One prediction of 2 on nothing, one below the threshold."""
    cells = [(1, 1, bar(0, 10, 0)), (1, 1, bar(0, 10, 2)), (2, 1, bar(0, 10, 4)), (2, 2, bar(0, 10, 6))]
    found = [
        *((1, 1, bar(0, 10, 0), 0.9), (1, 2, bar(0, 10, 2), 0.9), (2, 2, bar(0, 10, 6), 0.9)),
        *((2, 2, bar(30, 40, 0), 0.6), (2, 1, bar(0, 10, 4), 0.3)),
    ]
    gt = GroundTruth(annotations({1: SHAPE, 2: SHAPE}, cells))
    predicted = Predictions(predictions(found), gt)
    report = error_analysis.analyse(gt, predicted)
    assert report.confusion.tolist() == [[1, 1, 1], [0, 1, 0], [0, 1, 0]]
    assert {k: n for k, n in report.predictions.items() if n} == {'right': 2, 'wrong class': 1, 'background': 1}
    assert {k: n for k, n in report.cells.items() if n} == {'right': 2, 'wrong class': 1, 'missed': 1}
    # at score >= 0.3: 3 right of 5 predictions and 4 cells
    assert report.best['mask_F1'] == (0.3, 2 * 3 / (5 + 4))
    assert error_analysis.analyse(gt, predicted, score_thr=0.0).confusion.tolist() == [[2, 1, 0], [0, 1, 0], [0, 1, 0]]
    text = error_analysis.format_report(report)
    assert 'wrong class              1         1' in text
    assert f'best F1 of masks (right class at mask IoU >= 0.5): {6 / 9:.4f} at score >= 0.3000' in text


@pytest.mark.parametrize('absent', [False, True])
def test_best_thresholds_against_trying_all(absent: bool) -> None:
    data, results = random_case(np.random.default_rng(8), ties=True, most=120)
    if absent:  # a class that is predicted, and has no cells, is 0
        data['annotations'] = [a for a in data['annotations'] if a['category_id'] != 3]
    gt = GroundTruth(data)
    report = error_analysis.analyse(gt, Predictions(results, gt))
    thresholds = sorted({e['score'] for e in results})
    pq = {t: evaluate_results(results, gt, metrics=['panoptic'], score_thr=t)['mPQ+'] for t in thresholds}
    f1 = {}
    for t in thresholds:
        above = error_analysis.analyse(gt, Predictions(results, gt), score_thr=t)
        f1[t] = 2 * above.predictions['right'] / (sum(above.predictions.values()) + sum(above.cells.values()))
    for key, tried in (('mPQ+', pq), ('mask_F1', f1)):
        threshold, value = report.best[key]
        assert value == pytest.approx(max(tried.values()), abs=1e-12)
        assert value == pytest.approx(tried[threshold], abs=1e-12)
        assert len(set(tried.values())) > 2


def test_perfect_and_empty() -> None:
    cells = [(1, 1 + k % 2, rectangle(SHAPE, 8 * k, 0, 8 * k + 6, 6)) for k in range(5)]
    data = annotations({1: SHAPE, 2: SHAPE}, cells)
    gt = GroundTruth(data)
    perfect = error_analysis.analyse(gt, Predictions(as_predictions(data, score=0.7), gt))
    assert perfect.confusion.tolist() == [[3, 0, 0], [0, 2, 0], [0, 0, 0]]
    assert perfect.best == {'mask_F1': (0.7, 1.0), 'mPQ+': (0.7, 1.0)}
    nothing = error_analysis.analyse(gt, Predictions([], gt))
    assert nothing.cells['missed'] == 5
    assert [value for _, value in nothing.best.values()] == [0.0, 0.0]
