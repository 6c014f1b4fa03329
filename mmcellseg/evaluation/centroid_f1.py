"""Detection and classification F1 by centroids, as HoVer-Net reports them.

Source: Graham et al. 2019, HoVer-Net, Medical Image Analysis 58, section 4.1 ("nuclear classification") and
``run_nuclei_type_stat`` of its published code.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

RADIUS = 12.0  # px, HoVer-Net's value at 40× magnification (6 at 20×)


class Pairing(NamedTuple):
    """Classes of the paired cells and predictions (K,), and of those left over."""

    gt: np.ndarray
    pred: np.ndarray
    lone_gt: np.ndarray
    lone_pred: np.ndarray


def centroids(label_map: np.ndarray, number: int) -> np.ndarray:
    """Centres of mass (N, 2) as x, y px of the labels 1 … N; NaN for a label that the map does not have."""
    place = np.flatnonzero(label_map)
    y, x = np.divmod(place, label_map.shape[1])
    labels = label_map.ravel()[place] - 1
    pixels = np.bincount(labels, minlength=number).astype(np.float64)
    with np.errstate(invalid='ignore'):
        return np.stack([np.bincount(labels, v, number) / pixels for v in (x, y)], axis=1)


def pair_by_centroid(
    gt_xy: np.ndarray, gt_class: np.ndarray, pred_xy: np.ndarray, pred_class: np.ndarray, radius: float = RADIUS
) -> Pairing:
    """One-to-one pairs of least total distance; those further apart than ``radius`` px are then dissolved.

    The distances are Euclidean between centroids (G, 2) and (P, 2), solved whole before the cut, as in
    HoVer-Net's ``pair_coordinates``. Rows with NaN are instances without a pixel and stay out.
    """
    seen_gt, seen_pred = ~np.isnan(gt_xy[:, 0]), ~np.isnan(pred_xy[:, 0])
    gt_class, pred_class = gt_class[seen_gt], pred_class[seen_pred]
    distance = cdist(gt_xy[seen_gt], pred_xy[seen_pred])
    i, j = linear_sum_assignment(distance)
    near = distance[i, j] <= radius
    i, j = i[near], j[near]
    return Pairing(gt_class[i], pred_class[j], np.delete(gt_class, i), np.delete(pred_class, j))


def f1(hits: float, misses: float) -> float:
    """2 hits / (2 hits + misses); NaN where there is nothing to find and nothing was found."""
    return 2 * hits / (2 * hits + misses) if hits or misses else float('nan')


def detection_counts(pairs: Pairing) -> tuple[int, int]:
    """Hits and misses whose :func:`f1` is F_d = 2 TP / (2 TP + FP + FN): a pair is a hit whatever its classes."""
    return len(pairs.gt), len(pairs.lone_gt) + len(pairs.lone_pred)


def class_counts(pairs: Pairing, category: int) -> tuple[int, int]:
    """Hits and misses whose :func:`f1` is F_c of one class: 2 TP_c / (2 TP_c + 2 FP_c + 2 FN_c + FP_d + FN_d).

    TP_c: pairs of this class on both sides. FP_c and FN_c: pairs of it on the predicted and on the true side only.
    FP_d and FN_d: predictions and cells of it left unpaired. The published code's TN_c is 0 by construction,
    because it looks only at pairs that the class is part of. The counts of several images add up.
    """
    gt, pred = pairs.gt == category, pairs.pred == category
    lone = (pairs.lone_gt == category).sum() + (pairs.lone_pred == category).sum()
    return int((gt & pred).sum()), int(2 * (gt != pred).sum() + lone)
