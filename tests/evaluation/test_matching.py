import numpy as np

from mmcellseg.evaluation.matching import match

PRED, CELL = np.array([0, 0, 1, 1, 2, 3]), np.array([0, 1, 0, 2, 2, 2])
FALLING = np.linspace(0.9, 0.8, 6)


def test_each_cell_is_taken_once_and_crowds_often() -> None:
    (taken,) = match(PRED, PRED, CELL, FALLING, [0.5], CELL == 2)
    assert taken.tolist() == [0, 3, 4, 5]
    (taken,) = match(PRED, PRED, CELL, FALLING, [0.5])
    assert taken.tolist() == [0, 3]


def test_the_highest_iou_is_taken_and_the_last_of_equal_ones() -> None:
    pred, cell = np.array([0, 0, 0]), np.array([4, 5, 6])
    assert match(pred, pred, cell, np.array([0.6, 0.8, 0.7]), [0.5])[0].tolist() == [1]
    assert match(pred, pred, cell, np.array([0.7, 0.6, 0.7]), [0.5])[0].tolist() == [2]


def test_turns_come_first_and_thresholds_are_matched_for_themselves() -> None:
    """Prediction 1 goes first and takes cell 0 (IoU 0.6), which leaves 0 with nothing; at 0.7 it takes none."""
    pred, cell, iou = np.array([0, 1]), np.array([0, 0]), np.array([0.9, 0.6])
    low, high, above = match(np.array([1, 0]), pred, cell, iou, [0.6, 0.7, 0.95])
    assert (low.tolist(), high.tolist(), above.tolist()) == ([1], [0], [])


def test_no_pairs() -> None:
    none = np.zeros(0, np.int64)
    assert [len(taken) for taken in match(none, none, none, none.astype(float), [0.5, 0.6])] == [0, 0]
