"""Metrics of label maps: panoptic quality, aggregated Jaccard index, Dice.

A label map gives each pixel to one instance. Where masks overlap, the one that comes first in a stated order keeps the
pixel; an instance without a pixel left is not in the map and is not counted. All functions work on the sparse overlaps
of two maps, so that their cost is that of the pixels and of the overlapping pairs.
"""

from typing import NamedTuple

import numpy as np

from ..structures.masks import InstanceMasks


class Overlap(NamedTuple):
    """How two label maps of one image overlap.

    ``gt_pixels`` (G,) and ``pred_pixels`` (P,): px of each instance, 0 if it is hidden. ``gt``, ``pred`` and
    ``pixels`` (K,): the pairs that share pixels, sorted by gt, then pred.
    """

    gt_pixels: np.ndarray
    pred_pixels: np.ndarray
    gt: np.ndarray
    pred: np.ndarray
    pixels: np.ndarray

    @property
    def iou(self) -> np.ndarray:
        """(K,) intersection over union of each pair."""
        union = self.gt_pixels[self.gt] + self.pred_pixels[self.pred] - self.pixels
        return self.pixels / union


class PQCounts(NamedTuple):
    """Matched pairs, predictions left over, cells left over, and the sum of the pairs' IoU."""

    tp: int
    fp: int
    fn: int
    iou: float

    @property
    def quality(self) -> float:
        """PQ = Σ IoU / (TP + FP/2 + FN/2); NaN where there is nothing to find and nothing was found.

        Of counts pooled over the images this is a class's PQ+ (Graham et al. 2021, CoNIC challenge); its mean over
        images and classes is the PQ of MoNuSAC (Verma et al. 2021, IEEE TMI 40(12)). No small number is added to the
        denominators (HoVer-Net's and CoNIC's scripts add 1e-6), so a perfect prediction is exactly 1.
        """
        size = self.tp + 0.5 * self.fp + 0.5 * self.fn
        return self.iou / size if size else float('nan')


def label_map(masks: InstanceMasks, order: np.ndarray | None = None) -> np.ndarray:
    """Label map (H, W) int32 of masks: 0 background, i + 1 mask i.

    Args:
        masks: N masks.
        order: (M,) indices of the masks to draw; the first keeps the pixels it shares. None: all, in their order.
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
    pairs, pixels = np.unique(code, return_counts=True)
    gt, pred = np.divmod(pairs, max(num_pred, 1))
    gt_pixels = np.bincount(gt_map.ravel(), minlength=num_gt + 1)[1:]
    pred_pixels = np.bincount(pred_map.ravel(), minlength=num_pred + 1)[1:]
    return Overlap(gt_pixels, pred_pixels, gt, pred, pixels)


def pq_counts(pairs: Overlap, gt_chosen: np.ndarray | None = None, pred_chosen: np.ndarray | None = None) -> PQCounts:
    """Panoptic quality's counts in one image (Kirillov et al. 2019, Panoptic Segmentation, section 4).

    A pair matches at IoU > 0.5, which in label maps makes every match unique. ``gt_chosen`` (G,) and
    ``pred_chosen`` (P,) bool restrict to one class; None takes all (binary PQ).
    """
    gt_on, pred_on = pairs.gt_pixels > 0, pairs.pred_pixels > 0
    gt_on = gt_on if gt_chosen is None else gt_on & gt_chosen
    pred_on = pred_on if pred_chosen is None else pred_on & pred_chosen
    iou = pairs.iou
    matched = (iou > 0.5) & gt_on[pairs.gt] & pred_on[pairs.pred]
    tp = int(matched.sum())
    return PQCounts(tp, int(pred_on.sum()) - tp, int(gt_on.sum()) - tp, float(iou[matched].sum()))


def aji(pairs: Overlap) -> float:
    """Aggregated Jaccard index of one image (Kumar et al. 2017, IEEE TMI 36(7), algorithm 1).

    Each cell takes the prediction of highest IoU (the first of equal ones), which several cells may take, as in
    MoNuSeg's and HoVer-Net's ``get_fast_aji``: Σ intersections / (Σ unions + px of cells without and of
    predictions without a partner). NaN for an image with neither cells nor predictions.
    """
    order = np.lexsort((pairs.pred, -pairs.iou, pairs.gt))
    best = order[np.flatnonzero(np.diff(pairs.gt[order], prepend=-1))]
    inter = pairs.pixels[best].sum()
    union = (pairs.gt_pixels[pairs.gt[best]] + pairs.pred_pixels[pairs.pred[best]]).sum() - inter
    union += np.delete(pairs.gt_pixels, pairs.gt[best]).sum()
    union += np.delete(pairs.pred_pixels, pairs.pred[best]).sum()
    return float(inter / union) if union else float('nan')


def dice(pairs: Overlap) -> float:
    """Dice of foreground against background in one image (HoVer-Net's ``get_dice_1``): 2|A∩B| / (|A| + |B|)."""
    size = pairs.gt_pixels.sum() + pairs.pred_pixels.sum()
    return float(2 * pairs.pixels.sum() / size) if size else float('nan')
