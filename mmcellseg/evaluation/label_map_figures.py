"""The figures of a data set from what is counted once in the label maps of each image.

:func:`count` reduces an image to a few numbers. The figures of any draw of the images follow from those without new
matching, and so do those of any score threshold from one pair of label maps: a pixel belongs to the best score on it,
so that a threshold takes predictions away and changes none of the others.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from . import centroid_f1, panoptic
from .ground_truth import GroundTruth
from .matching import match
from .predictions import Predictions

MASK_IOUS = (0.5, 0.6, 0.7, 0.8, 0.9)


class ImageMaps(NamedTuple):
    """What two label maps of one image hold: classes, scores and centroids of its rows, and their overlaps."""

    gt_class: np.ndarray
    pred_class: np.ndarray
    scores: np.ndarray
    gt_xy: np.ndarray
    pred_xy: np.ndarray
    pairs: panoptic.Overlap

    def from_score(self, score_thr: float) -> 'ImageMaps':
        """Without the predictions below a score."""
        kept = self.scores >= score_thr
        xy = np.where(kept[:, None], self.pred_xy, np.nan)
        return self._replace(pred_xy=xy, pairs=self.pairs.only(kept))


class Counts(NamedTuple):
    """What is counted in N images, for each of K classes and for all of them together."""

    pq: np.ndarray  # (N, K + 1, 4) see panoptic.pq_counts
    taken: np.ndarray  # (N, K + 1, 5) one-to-one pairs at each of MASK_IOUS
    near: np.ndarray  # (N, K + 1, 2) hits and misses of centroids
    whole: np.ndarray  # (N, 3) AJI, AJI+ and Dice


def label_maps(
    gt: GroundTruth, predictions: Predictions, image_id: int, score_thr: float
) -> tuple[np.ndarray, np.ndarray]:
    """Label maps (H, W) of the cells and of the predictions of one image; labels are positions in ``rows`` + 1."""
    cells, masks = gt.masks(image_id), predictions.masks(image_id)
    crowd = gt.crowd[gt.rows(image_id)]
    gt_map = panoptic.label_map(cells, np.flatnonzero(~crowd))
    scores = predictions.scores[predictions.rows(image_id)]
    pred_map = panoptic.label_map(masks, panoptic.score_order(scores, score_thr))
    if crowd.any():  # ambiguous regions are cut out of the prediction, as MoNuSAC does
        pred_map[(panoptic.label_map(cells, np.flatnonzero(crowd)) > 0) & (gt_map == 0)] = 0
    return gt_map, pred_map


def image_maps(gt: GroundTruth, predictions: Predictions, image_id: int, score_thr: float) -> ImageMaps:
    """The label maps of one image, with the predictions of score ≥ ``score_thr``."""
    rows = predictions.rows(image_id)
    gt_class, pred_class = gt.category_ids[gt.rows(image_id)], predictions.category_ids[rows]
    maps, numbers = label_maps(gt, predictions, image_id, score_thr), (len(gt_class), len(pred_class))
    gt_xy, pred_xy = map(centroid_f1.centroids, maps, numbers)
    pairs = panoptic.overlap(*maps, *numbers)
    return ImageMaps(gt_class, pred_class, predictions.scores[rows], gt_xy, pred_xy, pairs)


def count(image: ImageMaps, categories: Sequence[int], radius: float) -> Counts:
    """The counts of one image, without the first axis. ``radius``: see :func:`centroid_f1.f1_counts`."""
    pairs = image.pairs
    iou, true, found = pairs.iou, image.gt_class[pairs.gt], image.pred_class[pairs.pred]
    pq = [panoptic.pq_counts(pairs, image.gt_class == c, image.pred_class == c) for c in categories]
    near = centroid_f1.f1_counts(image.gt_xy, image.gt_class, image.pred_xy, image.pred_class, categories, radius)
    taken = []
    # In label maps only halves of a cell, at an IoU of exactly 0.5, compete for it: any order finds all that can match.
    for mine in (*((true == c) & (found == c) for c in categories), np.ones(len(iou), bool)):
        i, j = pairs.gt[mine], pairs.pred[mine]
        taken.append([len(pair) for pair in match(i, j, i, iou[mine], MASK_IOUS)])
    return Counts(
        np.array([*pq, panoptic.pq_counts(pairs)], np.float64),
        np.array(taken),
        np.array(near),
        np.array([panoptic.aji(pairs), panoptic.aji_plus(pairs), panoptic.dice(pairs)]),
    )


def count_images(
    gt: GroundTruth, predictions: Predictions, image_ids: Sequence[int], thresholds: Sequence[float], radius: float
) -> list[Counts]:
    """The counts of some images at each score threshold, from one pair of label maps an image."""
    found = []
    for image_id in image_ids:
        image = image_maps(gt, predictions, image_id, min(thresholds))
        found.append([count(image.from_score(t), list(gt.categories), radius) for t in thresholds])
    return [Counts(*map(np.stack, zip(*images))) for images in zip(*found)]


def _mean(values: np.ndarray) -> float:
    defined = values[~np.isnan(values)]
    return float(np.mean(defined)) if len(defined) else float('nan')


def panoptic_figures(counts: Counts, names: Sequence[str]) -> dict[str, float]:
    """The figures of the kind ``panoptic`` of :func:`mmcellseg.evaluation.evaluate.evaluate_results`."""

    def of_classes(key: str, values: Sequence[float] | np.ndarray) -> dict[str, float]:
        return {f'{key}_{name}': float(value) for name, value in zip(names, values)}

    tp, fp, fn, _ = np.moveaxis(counts.pq, -1, 0)
    out: dict[str, float] = {}
    binary = {}
    for key, values in zip(('PQ', 'DQ', 'SQ'), panoptic.qualities(counts.pq)):
        present = np.where(tp + fn > 0, values, np.nan)[:, :-1]
        out[key] = _mean(np.array([_mean(image) for image in present]))
        out |= of_classes(key, [_mean(column) for column in present.T])
        binary[f'b{key}'] = _mean(values[:, -1])
    pooled = panoptic.qualities(counts.pq.sum(axis=0))[0][:-1]
    out |= {'mPQ+': _mean(pooled)} | of_classes('PQ+', pooled) | binary
    out |= {key: _mean(values) for key, values in zip(('AJI', 'AJI+', 'Dice'), counts.whole.T)}
    *of_class, detected = (centroid_f1.f1(*pair) for pair in counts.near.sum(axis=0).tolist())
    out |= {'F1': detected} | of_classes('F1', of_class)
    determined = np.array([r_squared(*columns) for columns in zip((tp + fn).T[:-1], (tp + fp).T[:-1])])
    return out | {'R2': _mean(determined)} | of_classes('R2', determined)


def matching_figures(counts: Counts, names: Sequence[str]) -> dict[str, float]:
    """The figures of the kind ``matching`` of :func:`mmcellseg.evaluation.evaluate.evaluate_results`."""
    tp, fp, fn, _ = counts.pq.sum(axis=0).T
    taken, labels = counts.taken.sum(axis=0), {-1: '', **{k: f'_{name}' for k, name in enumerate(names)}}
    out: dict[str, float] = {}
    for t, threshold in enumerate(MASK_IOUS):
        for key, size in (('precision', tp + fp), ('recall', tp + fn), ('F1', (2 * tp + fp + fn) / 2)):
            values = np.where(tp + fp + fn > 0, taken[:, t] / np.maximum(size, 0.5), np.nan)
            out |= {f'{key}@{threshold}{label}': float(values[k]) for k, label in labels.items()}
    return out


def r_squared(true: np.ndarray, found: np.ndarray) -> float:
    """1 − Σ (true − found)² / Σ (true − mean of true)² of counts (N,); NaN where all true counts are equal."""
    spread = ((true - true.mean()) ** 2).sum()
    return float(1 - ((true - found) ** 2).sum() / spread) if spread else float('nan')
