"""What goes wrong: errors by kind, a confusion matrix of masks, and the best score thresholds."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..structures.overlaps import intersections
from .ground_truth import GroundTruth
from .label_map_figures import image_maps
from .matching import match
from .predictions import Predictions

KINDS = ('right', 'wrong class', 'duplicate', 'merged', 'split', 'poor mask', 'background', 'missed')
RIGHT, WRONG_CLASS, DUPLICATE, MERGED, SPLIT, POOR, BACKGROUND, MISSED = range(len(KINDS))
MATCH_IOU, POOR_IOU, COVER = 0.5, 0.1, 0.5
OUTCOMES = ('right', 'wrong class', 'missed', 'spurious')  # what pictures tell apart


class ImagePairs(NamedTuple):
    """Pairs of a prediction and a cell that share pixels, in one image of P predictions and G cells."""

    pred: np.ndarray  # (K,)
    gt: np.ndarray
    iou: np.ndarray  # (K,)
    of_pred: np.ndarray  # (K,) the shared part of the prediction's px
    of_gt: np.ndarray  # (K,) and of the cell's
    scores: np.ndarray  # (P,)
    pred_class: np.ndarray  # (P,)
    gt_class: np.ndarray  # (G,)
    pred_rows: np.ndarray  # (P,) places among all predictions of the image
    gt_rows: np.ndarray  # (G,) among all its cells


class ErrorReport(NamedTuple):
    """Errors of a data set.

    ``confusion`` (K + 1, K + 1): rows true class, columns predicted; the last row holds predictions without a cell, the
    last column cells without a prediction. ``best``: of ``mask_F1`` (:func:`best_f1`) and ``mPQ+``.
    """

    predictions: dict[str, int]  # kind → how many
    cells: dict[str, int]
    class_names: list[str]
    confusion: np.ndarray
    score_thr: float
    best: dict[str, tuple[float, float]]  # figure → score threshold, value there


def match_cells(pairs: ImagePairs) -> np.ndarray:
    """The cell of each prediction (P,), −1 for none; each cell has one prediction at most, at IoU ≥ 0.5.

    Predictions choose in order of score, ties in their order, the free cell of highest IoU: first among cells of
    their own class, so that these pairs are what AP50 counts as true; those left over then among all classes.
    """
    rank = np.empty(len(pairs.scores), np.int64)
    rank[np.argsort(-pairs.scores, kind='stable')] = np.arange(len(rank))
    other = pairs.pred_class[pairs.pred] != pairs.gt_class[pairs.gt]
    (taken,) = match(rank[pairs.pred] + len(rank) * other, pairs.pred, pairs.gt, pairs.iou, [MATCH_IOU])
    cell_of = np.full(len(pairs.scores), -1)
    cell_of[pairs.pred[taken]] = pairs.gt[taken]
    return cell_of


def sort_errors(pairs: ImagePairs, cell_of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The kind of each prediction (P,) and of each cell (G,), as indices of ``KINDS``.

    The first that fits:
    right, wrong class: matched (see :func:`match_cells`) with a cell of its own or of another class.
    duplicate: IoU ≥ 0.5 with a cell that another prediction has.
    merged: covers at least half of each of two or more cells.
    split: one of two or more predictions that lie at least half inside one cell that nobody matched.
    poor mask: IoU of 0.1 to 0.5 with a cell.
    background (a prediction), missed (a cell): none of these.
    A cell is merged, split or poor where such a prediction without a match overlaps it so.
    """
    matched = cell_of >= 0
    found, duplicate = np.zeros(len(pairs.gt_class), bool), np.zeros(len(cell_of), bool)
    found[cell_of[matched]] = True
    free = ~matched[pairs.pred]
    duplicate[pairs.pred[free & (pairs.iou >= MATCH_IOU)]] = True
    left = free & ~duplicate[pairs.pred]
    poor = free & (pairs.iou >= POOR_IOU) & (pairs.iou < MATCH_IOU)
    inside = left & (pairs.of_pred >= COVER) & ~found[pairs.gt]
    split = inside & (np.bincount(pairs.gt[inside], minlength=len(found)) >= 2)[pairs.gt]
    covers = left & (pairs.of_gt >= COVER)
    merged = covers & (np.bincount(pairs.pred[covers], minlength=len(cell_of)) >= 2)[pairs.pred]
    kinds, cells = np.full(len(cell_of), BACKGROUND), np.full(len(found), MISSED)
    for kind, chosen in ((POOR, poor), (SPLIT, split), (MERGED, merged)):
        kinds[pairs.pred[chosen]] = kind
        cells[pairs.gt[chosen]] = kind
    kinds[duplicate] = DUPLICATE
    right = pairs.pred_class[matched] == pairs.gt_class[cell_of[matched]]
    kinds[matched] = np.where(right, RIGHT, WRONG_CLASS)
    cells[cell_of[matched]] = kinds[matched]
    return kinds, cells


def outcomes(kinds: np.ndarray) -> np.ndarray:
    """The outcome (P,) of each prediction, as indices of ``OUTCOMES``, from its kind."""
    return np.select([kinds == RIGHT, kinds == WRONG_CLASS], [0, 1], 3)


def image_pairs(gt: GroundTruth, predictions: Predictions, image_id: int, score_thr: float = 0.0) -> ImagePairs:
    """Overlapping pairs of one image; predictions that lie at least half in a crowd region and match no cell of
    IoU ≥ 0.5 are left out, as are the crowd regions."""
    rows, gt_rows = predictions.rows(image_id), gt.rows(image_id)
    masks, cells = predictions.masks(image_id), gt.masks(image_id)
    pred, cell, pixels = intersections(masks, cells)
    pred_area, cell_area = masks.areas[pred], cells.areas[cell]
    iou, of_pred, of_gt = pixels / (pred_area + cell_area - pixels), pixels / pred_area, pixels / cell_area
    single = ~gt.crowd[gt_rows]
    keep = np.ones(len(rows), bool)
    keep[pred[~single[cell] & (of_pred >= COVER)]] = False
    keep[pred[single[cell] & (iou >= MATCH_IOU)]] = True
    keep &= predictions.scores[rows] >= score_thr
    chosen = keep[pred] & single[cell]
    return ImagePairs(
        (np.cumsum(keep) - 1)[pred[chosen]],
        (np.cumsum(single) - 1)[cell[chosen]],
        iou[chosen],
        of_pred[chosen],
        of_gt[chosen],
        predictions.scores[rows][keep],
        predictions.category_ids[rows][keep],
        gt.category_ids[gt_rows][single],
        np.flatnonzero(keep),
        np.flatnonzero(single),
    )


def _best(scores: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """The highest value and the score to cut at; ``values[k]`` is of the first k + 1 of the descending scores."""
    if not len(scores):
        return float('nan'), 0.0
    last = np.flatnonzero(np.diff(scores, append=-np.inf))  # equal scores are cut together
    k = last[np.argmax(values[last])]
    return float(scores[k]), float(values[k])


def best_f1(pairs: Sequence[ImagePairs]) -> tuple[float, float]:
    """Score threshold and value of the best F1: 2 TP / (predictions + cells), TP = right class at mask IoU ≥ 0.5.

    Pooled over the images. A prediction's match does not depend on those of lower score, so that one matching
    serves all thresholds.
    """
    hits = []
    for p in pairs:
        cell_of = match_cells(p)
        hits.append((cell_of >= 0) & (np.append(p.gt_class, -1)[cell_of] == p.pred_class))
    scores = np.concatenate([p.scores for p in pairs])
    order = np.argsort(-scores, kind='stable')
    tp = np.cumsum(np.concatenate(hits)[order])
    cells = sum(len(p.gt_class) for p in pairs)
    return _best(scores[order], 2 * tp / (np.arange(1, len(order) + 1) + cells))


def best_pq(gt: GroundTruth, predictions: Predictions, image_ids: Sequence[int]) -> tuple[float, float]:
    """Score threshold and value of the best mPQ+, as :func:`~mmcellseg.evaluation.evaluate.evaluate_results` has it
    at that threshold. One pair of label maps an image serves all thresholds."""
    found, cells = [], []
    for image_id in image_ids:
        image = image_maps(gt, predictions, image_id, -np.inf)
        pairs, iou = image.pairs, image.pairs.iou
        hit = (iou > 0.5) & (image.gt_class[pairs.gt] == image.pred_class[pairs.pred])
        worth = np.zeros(len(image.scores))
        worth[pairs.pred[hit]] = iou[hit]
        found.append([column[pairs.pred_pixels > 0] for column in (image.scores, image.pred_class, worth)])
        cells.append(image.gt_class[pairs.gt_pixels > 0])
    scores, category, ious = map(np.concatenate, zip(*found))
    order = np.argsort(-scores, kind='stable')
    total, defined = np.zeros((2, len(order)))
    for c in gt.categories:
        mine, number = category[order] == c, (np.concatenate(cells) == c).sum()
        own = np.cumsum(mine)
        # TP + FP/2 + FN/2 = (predictions + cells) / 2; a class that neither side has is undefined
        total += np.cumsum(ious[order] * mine) / np.maximum((own + number) / 2, 0.5)
        defined += own + number > 0
    return _best(scores[order], total / np.maximum(defined, 1))


def analyse(gt: GroundTruth, predictions: Predictions, score_thr: float = 0.5) -> ErrorReport:
    """Errors and confusion matrix of the predictions of score ≥ ``score_thr``, best thresholds over all scores."""
    ids = sorted(gt.images)
    categories = np.array(list(gt.categories), np.int64)
    background = len(categories)
    confusion = np.zeros((background + 1, background + 1), np.int64)
    kinds = np.zeros((2, len(KINDS)), np.int64)
    for image_id in ids:
        pairs = image_pairs(gt, predictions, image_id, score_thr)
        cell_of = match_cells(pairs)
        kinds += [np.bincount(errors, minlength=len(KINDS)) for errors in sort_errors(pairs, cell_of)]
        true, predicted = (np.nonzero(c[:, None] == categories)[1] for c in (pairs.gt_class, pairs.pred_class))
        np.add.at(confusion, (np.append(true, background)[cell_of], predicted), 1)  # −1, no cell, is the background
        confusion[:-1, -1] += np.bincount(np.delete(true, cell_of[cell_of >= 0]), minlength=background)
    best = {
        'mask_F1': best_f1([image_pairs(gt, predictions, i) for i in ids]),
        'mPQ+': best_pq(gt, predictions, ids),
    }
    by_prediction, by_cell = (dict(zip(KINDS, numbers)) for numbers in kinds.tolist())
    return ErrorReport(by_prediction, by_cell, list(gt.categories.values()), confusion, score_thr, best)


def format_report(report: ErrorReport) -> str:
    """The report as plain text."""
    lines = [f'errors at score >= {report.score_thr:g}', f'{"":14}{"predictions":>12}{"cells":>10}']
    for kind in KINDS:
        pred = '-' if kind == 'missed' else report.predictions[kind]
        cell = '-' if kind in ('duplicate', 'background') else report.cells[kind]
        lines.append(f'{kind:14}{pred:>12}{cell:>10}')
    names = [*report.class_names, 'background']
    width = max(map(len, names)) + 2
    lines += ['', 'confusion matrix (rows true, columns predicted; one to one at mask IoU >= 0.5)']
    lines.append(' ' * width + ''.join(f'{name:>{width}}' for name in names))
    for name, row in zip(names, report.confusion.tolist()):
        lines.append(f'{name:{width}}' + ''.join(f'{n:>{width}}' for n in row))
    lines.append('')
    for key, (thr, value) in report.best.items():
        name = 'F1 of masks (right class at mask IoU >= 0.5)' if key == 'mask_F1' else key
        lines.append(f'best {name}: {value:.4f} at score >= {thr:.4f}')
    return '\n'.join(lines)
