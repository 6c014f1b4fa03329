"""Detection and classification F1 by centroids, as HoVer-Net reports them.

Source: Graham et al. 2019, HoVer-Net, Medical Image Analysis 58, section 4.1 ("nuclear classification") and
``run_nuclei_type_stat`` of its published code.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

RADIUS = 12.0  # px, HoVer-Net's value at 40× magnification (6 at 20×)


def centroids(label_map: np.ndarray, number: int) -> np.ndarray:
    """Centres of mass (N, 2) as x, y px of the labels 1 … N; NaN for a label that the map does not have."""
    place = np.flatnonzero(label_map)
    y, x = np.divmod(place, label_map.shape[1])
    labels = label_map.ravel()[place] - 1
    pixels = np.bincount(labels, minlength=number).astype(np.float64)
    with np.errstate(invalid='ignore'):
        return np.stack([np.bincount(labels, v, number) / pixels for v in (x, y)], axis=1)


def f1_counts(
    gt_xy: np.ndarray,
    gt_class: np.ndarray,
    pred_xy: np.ndarray,
    pred_class: np.ndarray,
    categories: Sequence[int],
    radius: float = RADIUS,
) -> list[tuple[int, int]]:
    """Hits and misses of one image whose :func:`f1` is F_c of each category, and last F_d; those of images add up.

    Pairs of centroids (G, 2) and (P, 2) are one to one and of least total distance (Euclidean); those further apart
    than ``radius`` px are then dissolved. It is solved whole before the cut, as in HoVer-Net's ``pair_coordinates``.
    Rows with NaN are instances without a pixel and stay out.

    F_d = 2 TP / (2 TP + FP + FN): a pair is a hit whatever its classes.
    F_c = 2 TP_c / (2 TP_c + 2 FP_c + 2 FN_c + FP_d + FN_d). TP_c: pairs of this class on both sides. FP_c and FN_c:
    pairs of it on the predicted and on the true side only. FP_d and FN_d: predictions and cells of it left unpaired.
    The published code's TN_c is 0 by construction, because it looks only at pairs that the class is part of.
    """
    seen_gt, seen_pred = ~np.isnan(gt_xy[:, 0]), ~np.isnan(pred_xy[:, 0])
    gt_class, pred_class = gt_class[seen_gt], pred_class[seen_pred]
    distance = cdist(gt_xy[seen_gt], pred_xy[seen_pred])
    i, j = linear_sum_assignment(distance)
    near = distance[i, j] <= radius
    i, j = i[near], j[near]
    lone = np.concatenate([np.delete(gt_class, i), np.delete(pred_class, j)])
    counts = []
    for category in categories:
        gt, pred = gt_class[i] == category, pred_class[j] == category
        counts.append((int((gt & pred).sum()), int(2 * (gt != pred).sum() + (lone == category).sum())))
    return [*counts, (len(i), len(lone))]


def f1(hits: float, misses: float) -> float:
    """2 hits / (2 hits + misses); NaN where there is nothing to find and nothing was found."""
    return 2 * hits / (2 * hits + misses) if hits or misses else float('nan')
