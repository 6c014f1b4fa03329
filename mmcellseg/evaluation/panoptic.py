"""Metrics of label maps: panoptic quality, aggregated Jaccard index, Dice.

A label map gives each pixel to one instance. Where masks overlap, the one that comes first in a stated order keeps the
pixel; an instance without a pixel left is not in the map and is not counted. All functions work on the sparse overlaps
of two maps, so that their cost is that of the pixels and of the overlapping pairs.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..structures.masks import InstanceMasks


class Overlap(NamedTuple):
    """How two label maps of one image overlap: px of each instance, and the pairs that share px, by gt, then pred."""

    gt_pixels: np.ndarray  # (G,) 0 if it is hidden
    pred_pixels: np.ndarray  # (P,)
    gt: np.ndarray  # (K,)
    pred: np.ndarray
    pixels: np.ndarray  # (K,) that the pair shares
    first: np.ndarray  # (K,) where in reading order the first of these comes

    @property
    def union(self) -> np.ndarray:
        """(K,) px that either of the pair has."""
        return self.gt_pixels[self.gt] + self.pred_pixels[self.pred] - self.pixels

    @property
    def iou(self) -> np.ndarray:
        """(K,) intersection over union of each pair."""
        return self.pixels / self.union

    def only(self, kept: np.ndarray) -> 'Overlap':
        """Without the predictions that are not ``kept`` (P,) bool; their pixels become background."""
        mine = kept[self.pred]
        columns = (self.gt[mine], self.pred[mine], self.pixels[mine], self.first[mine])
        return Overlap(self.gt_pixels, np.where(kept, self.pred_pixels, 0), *columns)


def label_map(masks: InstanceMasks, order: np.ndarray | None = None) -> np.ndarray:
    """Label map (H, W) int32 of masks: 0 background, i + 1 mask i.

    ``order`` (M,): indices of the masks to draw, of which the first keeps the pixels it shares; None: all in order.
    """
    out = np.zeros((masks.height, masks.width), np.int32)
    boxes, windows = masks.boxes.tolist(), masks.windows()
    for i in (range(len(masks)) if order is None else order.tolist())[::-1]:
        x1, y1, x2, y2 = boxes[i]
        out[y1:y2, x1:x2][windows[i] != 0] = i + 1
    return out


def score_order(scores: np.ndarray, score_thr: float) -> np.ndarray:
    """Indices of the scores ≥ ``score_thr``, best first, equal ones in their order."""
    order = np.argsort(-scores, kind='stable')
    return order[scores[order] >= score_thr]


def overlap(gt_map: np.ndarray, pred_map: np.ndarray, num_gt: int, num_pred: int) -> Overlap:
    """Overlaps of two label maps (H, W) with labels up to ``num_gt`` and ``num_pred``."""
    both = np.flatnonzero((gt_map != 0) & (pred_map != 0))
    code = (gt_map.ravel()[both].astype(np.int64) - 1) * num_pred + pred_map.ravel()[both] - 1
    runs = np.flatnonzero(np.diff(code, prepend=-1))  # neighbours in a row mostly are of one pair
    pairs, at, owner = np.unique(code[runs], return_index=True, return_inverse=True)
    pixels = np.bincount(owner, np.diff(runs, append=len(code)), len(pairs)).astype(np.int64)
    gt, pred = np.divmod(pairs, max(num_pred, 1))
    gt_pixels = np.bincount(gt_map.ravel(), minlength=num_gt + 1)[1:]
    pred_pixels = np.bincount(pred_map.ravel(), minlength=num_pred + 1)[1:]
    return Overlap(gt_pixels, pred_pixels, gt, pred, pixels, both[runs[at]])


def pq_counts(
    pairs: Overlap, gt_chosen: np.ndarray | bool = True, pred_chosen: np.ndarray | bool = True
) -> tuple[int, int, int, float]:
    """TP, FP, FN and the sum of the pairs' IoU in one image (Kirillov et al. 2019, Panoptic Segmentation, section 4).

    A pair matches at IoU > 0.5, which in label maps makes every match unique. ``gt_chosen`` (G,) and
    ``pred_chosen`` (P,) bool restrict to one class; binary PQ takes all.
    """
    gt_on, pred_on = (pairs.gt_pixels > 0) & gt_chosen, (pairs.pred_pixels > 0) & pred_chosen
    iou = pairs.iou
    matched = (iou > 0.5) & gt_on[pairs.gt] & pred_on[pairs.pred]
    tp = int(matched.sum())
    return tp, int(pred_on.sum()) - tp, int(gt_on.sum()) - tp, float(iou[matched].sum())


def qualities(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """PQ, DQ and SQ (…) of counts (…, 4) as :func:`pq_counts` has them; PQ = DQ × SQ.

    PQ = Σ IoU / (TP + FP/2 + FN/2), DQ = TP / (TP + FP/2 + FN/2), SQ = Σ IoU / TP, or 0 without a pair. NaN where
    there is nothing to find and nothing was found. No small number is added to the denominators (HoVer-Net's and
    CoNIC's scripts add 1e-6), so a perfect prediction is exactly 1.
    """
    tp, fp, fn, iou = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    size = tp + 0.5 * fp + 0.5 * fn
    with np.errstate(invalid='ignore'):
        return iou / size, tp / size, np.where(size > 0, iou / np.maximum(tp, 1), np.nan)


def aji(pairs: Overlap) -> float:
    """Aggregated Jaccard index of one image (Kumar et al. 2017, IEEE TMI 36(7), algorithm 1).

    Each cell takes the prediction of highest IoU, which several cells may take, as in MoNuSeg's and HoVer-Net's
    ``get_fast_aji``: Σ intersections / (Σ unions + px of cells without and of predictions without a partner). Of
    equally good ones it takes the largest (there the 1e-6 beside the union does), then the one that it meets first
    in reading order, so that the order of the file plays no part. NaN for an image with neither cells nor predictions.
    """
    order = np.lexsort((pairs.first, -pairs.pred_pixels[pairs.pred], -pairs.iou, pairs.gt))
    return _jaccard(pairs, order[np.flatnonzero(np.diff(pairs.gt[order], prepend=-1))])


def aji_plus(pairs: Overlap) -> float:
    """AJI with one-to-one partners, those of the greatest sum of IoU (HoVer-Net's ``get_fast_aji_plus``)."""
    cells = len(pairs.gt_pixels)
    nodes = cells + len(pairs.pred_pixels)
    graph = coo_array((np.ones(len(pairs.gt)), (pairs.gt, cells + pairs.pred)), (nodes, nodes))
    part = connected_components(graph, directed=False)[1][pairs.gt]
    order = np.argsort(part, kind='stable')
    worth = pairs.pixels / (pairs.union + 1e-6)  # of pairs of equal IoU the larger one, as published
    taken = []
    # The best assignment is that of each group of instances that overlap one another: no cells × predictions matrix.
    for group in np.split(order, np.flatnonzero(np.diff(part[order])) + 1):
        if len(group) > 1:
            i, j = (np.unique(column[group], return_inverse=True)[1] for column in (pairs.gt, pairs.pred))
            table, where = np.zeros((2, i.max() + 1, j.max() + 1))
            table[i, j], where[i, j] = worth[group], group
            i, j = linear_sum_assignment(table, maximize=True)
            group = where[i, j][table[i, j] > 0].astype(np.int64)
        taken.append(group)
    return _jaccard(pairs, np.concatenate(taken))


def _jaccard(pairs: Overlap, taken: np.ndarray) -> float:
    """Σ intersections / (Σ unions + px without a partner) of the pairs at the positions ``taken``."""
    inter = pairs.pixels[taken].sum()
    union = pairs.union[taken].sum()
    union += np.delete(pairs.gt_pixels, pairs.gt[taken]).sum() + np.delete(pairs.pred_pixels, pairs.pred[taken]).sum()
    return float(inter / union) if union else float('nan')


def dice(pairs: Overlap) -> float:
    """Dice of foreground against background in one image (HoVer-Net's ``get_dice_1``): 2|A∩B| / (|A| + |B|)."""
    size = pairs.gt_pixels.sum() + pairs.pred_pixels.sum()
    return float(2 * pairs.pixels.sum() / size) if size else float('nan')
