"""COCO average precision at one detection cap, from sparse overlaps.

pycocotools computes the IoU of every prediction with every cell of its image and class. In a tile of 2,000 cells nearly
all of these are 0, and only pairs of IoU ≥ 0.5 can match: here only boxes that overlap are looked at. Figures equal
pycocotools' (to the rounding of its added 2e-16).
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from ..structures.overlaps import candidate_pairs, intersections
from .ground_truth import GroundTruth
from .matching import match
from .predictions import Predictions

BINS = ('all', 'small', 'medium', 'large')
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)


def ranks(predictions: Predictions) -> np.ndarray:
    """Place of each prediction (N,) among those of its image and class: best score first, ties in their order."""
    keys = (-predictions.scores, predictions.category_ids, predictions.image_ids)
    order = np.lexsort(keys)
    category, image = (key[order] for key in keys[1:])
    changes = (category[1:] != category[:-1]) | (image[1:] != image[:-1])
    begins = np.flatnonzero(np.append(len(order) > 0, changes))
    out = np.empty(len(order), np.int64)
    out[order] = np.arange(len(order)) - np.repeat(begins, np.diff(begins, append=len(order)))
    return out


def largest_group(predictions: Predictions) -> int:
    """The largest number of predictions that an image has of one class: a cap at which nothing is cut (≥ 1)."""
    return int(ranks(predictions).max(initial=0)) + 1


def candidates(
    gt: GroundTruth, predictions: Predictions, kind: Literal['bbox', 'segm'], image_ids: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """All pairs (K,) of one class and image with IoU ≥ 0.5: rows of the predictions and of the ground truth, and IoU.

    With a crowd region the IoU is the share of the prediction inside it. And the areas (N,) px² of every prediction.
    """
    areas = predictions.boxes[:, 2] * predictions.boxes[:, 3]
    found = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for image_id in image_ids:
        rows, gt_rows = predictions.rows(image_id), gt.rows(image_id)
        if kind == 'segm':
            masks, cells = predictions.masks(image_id), gt.masks(image_id)
            areas[rows] = masks.areas
            i, j, common = intersections(masks, cells)
            gt_area = cells.areas[j]
        else:
            found_boxes, boxes = (
                np.hstack([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]])
                for xywh in (predictions.boxes[rows], gt.boxes[gt_rows])
            )
            i, j = candidate_pairs(found_boxes, boxes)
            low, high = np.maximum(found_boxes[i, :2], boxes[j, :2]), np.minimum(found_boxes[i, 2:], boxes[j, 2:])
            common, gt_area = (high - low).prod(axis=1), gt.boxes[gt_rows[j], 2:].prod(axis=1)
        i, j = rows[i], gt_rows[j]
        area = areas[i]
        iou = common / np.where(gt.crowd[j], area, area + gt_area - common)
        keep = (iou >= IOU_THRESHOLDS[0]) & (predictions.category_ids[i] == gt.category_ids[j])
        found.append((i[keep], j[keep], iou[keep]))
    pred, cell, iou = (np.concatenate(column) for column in zip(*found))
    return pred, cell, iou, areas


class Matches(NamedTuple):
    """Which predictions are hits, for any draw of the images: of those that count, N in order of score.

    ``right`` and ``wrong`` are (4 area bins, 10 IoU thresholds, N) bool; where neither is set, it is ignored.
    """

    image: np.ndarray  # (N,) position among the evaluated images
    category: np.ndarray  # (N,) position among the classes
    right: np.ndarray
    wrong: np.ndarray
    cells: np.ndarray  # (I images, K classes, 4) to be found


def match_predictions(
    gt: GroundTruth,
    predictions: Predictions,
    kind: Literal['bbox', 'segm'],
    max_dets: int,
    area_edges: tuple[float, float],
    image_ids: Sequence[int],
) -> Matches:
    """Match as pycocotools' ``COCOeval`` (Lin et al. 2014, Microsoft COCO).

    The best ``max_dets`` predictions of each image and class count. In order of score (ties: image id, then order of
    entry) each takes the free cell of highest IoU (ties: the last), and only where there is none a crowd region or a
    cell outside of the bin, which makes it ignored. Bins are closed, in px² of the annotation's area; an unmatched
    prediction outside of the bin by its mask's pixels (``segm``) or its box's (``bbox``) is ignored too.
    """
    here = np.isin(predictions.image_ids, image_ids) & (ranks(predictions) < max_dets)
    order = np.lexsort((predictions.image_ids, -predictions.scores))
    order = order[here[order]]
    place = np.full(len(predictions), -1)
    place[order] = np.arange(len(order))
    ids = np.array(sorted(image_ids), np.int64)
    pred, cell, iou, areas = candidates(gt, predictions, kind, ids.tolist())
    counted = place[pred] >= 0
    pred, cell, iou, areas = place[pred][counted], cell[counted], iou[counted], areas[order]
    (column,) = np.nonzero(np.isin(gt.image_ids, ids))

    bins = (0, np.inf), (0, area_edges[0]), area_edges, (area_edges[1], np.inf)
    hit, ignored = np.zeros((2, len(bins), len(IOU_THRESHOLDS), len(order)), bool)
    cells = np.zeros((len(ids), len(gt.categories), len(bins)), np.int64)
    row = np.searchsorted(ids, gt.image_ids[column])
    for a, (least, most) in enumerate(bins):
        outside = gt.crowd | (gt.areas < least) | (gt.areas > most)
        turn = 2 * pred + outside[cell]
        for t, taken in enumerate(match(turn, pred, cell, iou, IOU_THRESHOLDS, gt.crowd[cell])):
            hit[a, t, pred[taken]] = True
            ignored[a, t, pred[taken]] = outside[cell[taken]]
        ignored[a] |= ~hit[a] & ((areas < least) | (areas > most))
        wanted = ~outside[column]
        np.add.at(cells[:, :, a], (row[wanted], _positions(gt, gt.category_ids[column][wanted])), 1)
    image = np.searchsorted(ids, predictions.image_ids[order])
    return Matches(image, _positions(gt, predictions.category_ids[order]), hit & ~ignored, ~(hit | ignored), cells)


def _positions(gt: GroundTruth, category_ids: np.ndarray) -> np.ndarray:
    """The classes' places among the categories, which need not ascend."""
    ids = np.array(list(gt.categories), np.int64)
    order = np.argsort(ids)
    return order[np.searchsorted(ids[order], category_ids)]


def interpolated(right: np.ndarray, wrong: np.ndarray, cells: int) -> np.ndarray:
    """Highest precision at or beyond each recall, (T, 101), of predictions in order of score.

    ``right`` and ``wrong`` (T, N): how often each is counted; ``cells``: the number of cells to be found.
    """
    if not right.shape[1]:
        return np.zeros((len(right), len(RECALLS)))
    tp, fp = np.cumsum(right, axis=1), np.cumsum(wrong, axis=1)
    precision = tp / np.maximum(tp + fp, 1)
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    best = np.pad(best, ((0, 0), (0, 1)))  # a recall that is never reached
    return np.stack([b[np.searchsorted(r, RECALLS)] for b, r in zip(best, tp / cells)])


def precision_table(matches: Matches, times: np.ndarray | None = None) -> np.ndarray:
    """Interpolated precision (10 IoU thresholds, 101 recalls, K classes, 4 area bins); −1 where a bin has no cell.

    ``times`` (I,): how often each image counts; None: once.
    """
    cells = matches.cells.sum(axis=0) if times is None else np.tensordot(times, matches.cells, 1)
    table = np.full((len(IOU_THRESHOLDS), len(RECALLS), *cells.shape), -1.0)
    for k in range(len(cells)):
        own = np.flatnonzero(matches.category == k)
        weight = 1 if times is None else times[matches.image[own]]
        for a in np.flatnonzero(cells[k]).tolist():
            right, wrong = (part[a].take(own, axis=1) * weight for part in (matches.right, matches.wrong))
            table[:, :, k, a] = interpolated(right, wrong, int(cells[k, a]))
    return table


def _mean(values: np.ndarray) -> float:
    present = values[values > -1]
    return float(present.mean()) if len(present) else float('nan')


def class_key(figure: str, name: str) -> str:
    """The key of a figure's value for one class; one that is named as an area bin does not take the bin's key."""
    return f'{figure}_class_{name}' if figure.endswith('_AP') and name in BINS[1:] else f'{figure}_{name}'


def ap_metrics(table: np.ndarray, class_names: list[str], prefix: str) -> dict[str, float]:
    """AP figures of a precision table, keys as in :func:`mmcellseg.evaluation.evaluate.evaluate_results`.

    A class or bin without a cell in the ground truth is NaN and stays out of the means.
    """
    parts = {'AP': slice(None), 'AP50': slice(0, 1), 'AP75': slice(5, 6)}
    out = {f'{prefix}_{name}': _mean(table[part, :, :, 0]) for name, part in parts.items()}
    for i, name in enumerate(BINS[1:], start=1):
        out[f'{prefix}_AP_{name}'] = _mean(table[:, :, :, i])
    for name, part in parts.items():
        for k, class_name in enumerate(class_names):
            out[class_key(f'{prefix}_{name}', class_name)] = _mean(table[part, :, k, 0])
    return out
