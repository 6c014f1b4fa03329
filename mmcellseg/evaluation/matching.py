"""One-to-one matching of predictions and cells at an IoU: AP, error analysis, calibration and mask F1 share it."""

from collections.abc import Iterable

import numpy as np


def match(
    turn: np.ndarray,
    pred: np.ndarray,
    gt: np.ndarray,
    iou: np.ndarray,
    thresholds: Iterable[float],
    shared: np.ndarray | None = None,
) -> list[np.ndarray]:
    """The pairs of a prediction and a cell that are taken at each IoU threshold, as positions in the pairs (K,).

    Pairs are looked at in order of ``turn`` (int, for example the place of the prediction in order of score); those of
    equal turn by falling IoU, the last cell first among equal ones (as pycocotools does). A pair of at least the
    threshold is taken if its prediction has no cell yet, and its cell no prediction. ``shared``: (K,) bool, pairs whose
    cell takes any number of predictions, as crowd regions do.
    """
    order = np.lexsort((-gt, -iou, turn))
    many = np.zeros(len(order), bool) if shared is None else shared
    return [_greedy(pred, gt, many, order[iou[order] >= threshold]) for threshold in thresholds]


def _greedy(pred: np.ndarray, gt: np.ndarray, shared: np.ndarray, order: np.ndarray) -> np.ndarray:
    taken = []
    done, busy = bytearray(int(pred.max(initial=-1)) + 1), bytearray(int(gt.max(initial=-1)) + 1)
    for k, i, j, many in zip(order.tolist(), pred[order].tolist(), gt[order].tolist(), shared[order].tolist()):
        if not done[i] and (many or not busy[j]):
            taken.append(k)
            done[i] = busy[j] = 1
    return np.array(taken, np.int64)
