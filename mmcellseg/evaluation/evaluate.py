"""One function from a predictions file and an annotation file to every figure."""

import logging
import os
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ..structures.json_file import numbers, short, whole
from ..structures.results import read_results
from . import detection, panoptic
from .ap import ap_metrics, largest_group, precision_table
from .ground_truth import GroundTruth
from .predictions import Predictions
from .tables import EvaluationError

METRICS = ('bbox', 'segm', 'panoptic')


def check_settings(max_dets: int | None, area_edges: Sequence[float] | None) -> None:
    """Refuse a cap below 1, and area edges that are not two ascending numbers (EvaluationError)."""
    if max_dets is not None and (not whole(max_dets) or max_dets < 1):
        raise EvaluationError(f'max_dets is {short(max_dets)}, expected a whole number above 0, or None for no cap')
    if area_edges is not None and (not numbers(area_edges, 2) or not 0 <= area_edges[0] <= area_edges[1]):
        raise EvaluationError(f'area_edges is {short(area_edges)}, expected two areas in px², the smaller one first')


def chosen_images(gt: GroundTruth, image_ids: Iterable[int] | None) -> list[int]:
    """The images to evaluate, ascending; None: all. Unknown ones, or none at all, are refused (EvaluationError)."""
    chosen = sorted(gt.images) if image_ids is None else sorted(set(image_ids))
    strangers = [i for i in chosen if i not in gt.images]
    if strangers:
        raise EvaluationError(f'{gt.name}: no images with the ids {strangers[:10]}')
    if not chosen:
        found = 'its list of images' if image_ids is None else 'image_ids'
        raise EvaluationError(f'{gt.name}: {found} is empty, expected one image or more to evaluate')
    return chosen


def evaluate_results(
    results: str | os.PathLike | Sequence[Mapping],
    ann_file: str | os.PathLike | Mapping | GroundTruth,
    *,
    metrics: Iterable[str] = METRICS,
    max_dets: int | None = None,
    score_thr: float = 0.5,
    area_edges: tuple[float, float] | None = None,
    image_ids: Iterable[int] | None = None,
) -> dict[str, float]:
    """Evaluate a COCO results list with RLE masks.

    The keys are always the same for the same classes and metrics; a figure that is not defined (a class without a
    cell in the ground truth) is NaN and stays out of means. Nothing is rounded. ``{c}`` is each class's name.

    ========================  ====================================================================================
    ``bbox``, ``segm``        ``{kind}_AP`` (IoU 0.50:0.95), ``_AP50``, ``_AP75``; each ``_{c}``;
                              ``{kind}_AP_small``, ``_medium``, ``_large``. All at the one cap ``max_dets``.
    ``panoptic``              (predictions of score ≥ ``score_thr`` in one label map, the better score keeps a pixel)
    - ``PQ``, ``PQ_{c}``      MoNuSAC: PQ of each image and class with cells in the ground truth, then the mean
    - ``mPQ+``, ``PQ+_{c}``   CoNIC: counts pooled over all images, PQ of each class, then the mean of the classes
    - ``bPQ``, ``AJI``,       classes left out, per image, then the mean of the images
      ``Dice``
    - ``F1``, ``F1_{c}``      HoVer-Net: F_d and F_c, centroids paired within 12 px, pooled over all images
    ``max_dets``              the cap that the AP figures were taken at
    ========================  ====================================================================================

    Sources of the panoptic figures: Verma et al. 2021, MoNuSAC2020, IEEE TMI 40(12) (``PQ``); Graham et al. 2021,
    CoNIC: Colon Nuclei Identification and Counting Challenge (``mPQ+``); those of the others are with their code.

    Args:
        results: Path of a results file, or its entries.
        ann_file: COCO json, its content, or a loaded :class:`GroundTruth` (quicker when used often).
        metrics: Any of 'bbox', 'segm' and 'panoptic'.
        max_dets: Detections per image and class that count for AP, best first; None: as many as there are.
        score_thr: Predictions below it stay out of the label-map metrics and F1. AP uses all.
        area_edges: Two areas in px² between small, medium and large; None: terciles of the evaluated cells.
        image_ids: Evaluate these images only; None: all of the annotation file.

    Raises:
        EvaluationError: as :class:`GroundTruth` and :class:`Predictions`, or if there is not one annotation or
            image, or if ``max_dets`` or ``area_edges`` make no sense.
        ResultsError: The results file cannot be read.
    """
    metrics = tuple(metrics)
    unknown = set(metrics) - set(METRICS)
    if unknown or not metrics:
        raise EvaluationError(f'metrics {sorted(unknown) or "are empty"}: expected some of {METRICS}')
    check_settings(max_dets, area_edges)
    gt = ann_file if isinstance(ann_file, GroundTruth) else GroundTruth(ann_file)
    chosen = chosen_images(gt, image_ids)
    if not len(gt):
        raise EvaluationError(f'{gt.name}: not one annotation to evaluate against; use format_only for test data')
    masks = bool({'segm', 'panoptic'} & set(metrics))
    if isinstance(results, str | os.PathLike):
        try:
            predictions = Predictions(read_results(results), gt, boxes='bbox' in metrics, masks=masks)
        except EvaluationError as error:
            raise EvaluationError(f'{results}: {error}') from error
    else:
        predictions = Predictions(results, gt, boxes='bbox' in metrics, masks=masks)
    if not len(predictions):
        logging.getLogger(__name__).warning('There is not a single prediction: every figure is 0.')
    out: dict[str, float] = {}
    cap = largest_group(predictions) if max_dets is None else max_dets
    edges = gt.area_edges(chosen) if area_edges is None else area_edges
    for kind in ('bbox', 'segm'):
        if kind in metrics:
            table = precision_table(gt, predictions, kind, cap, edges, chosen)  # type: ignore[arg-type]
            out |= ap_metrics(table, list(gt.categories.values()), kind)
    if 'panoptic' in metrics:
        out |= panoptic_metrics(gt, predictions, chosen, score_thr)
    if set(metrics) & {'bbox', 'segm'}:
        out['max_dets'] = float(cap)
    return out


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


def _mean(values: Iterable[float]) -> float:
    defined = [v for v in values if not np.isnan(v)]
    return float(np.mean(defined)) if defined else float('nan')


def panoptic_metrics(
    gt: GroundTruth, predictions: Predictions, image_ids: Sequence[int], score_thr: float
) -> dict[str, float]:
    """The label-map metrics and F1 of :func:`evaluate_results`.

    Ground-truth cells that overlap are resolved in the order of the file. Images with neither cells nor predictions
    have no PQ, AJI or Dice and stay out of the means; so do, in ``mPQ+``, classes that neither side has.
    """
    if gt.runs is None:
        raise EvaluationError(f'{gt.name}: annotations without segmentation; evaluate bbox only')
    per_image: dict[int, list[float]] = {c: [] for c in gt.categories}
    pooled = {c: panoptic.PQCounts(0, 0, 0, 0.0) for c in gt.categories}
    binary: list[tuple[float, float, float]] = []
    pairings = []
    for image_id in image_ids:
        gt_map, pred_map = label_maps(gt, predictions, image_id, score_thr)
        gt_class = gt.category_ids[gt.rows(image_id)]
        pred_class = predictions.category_ids[predictions.rows(image_id)]
        pairs = panoptic.overlap(gt_map, pred_map, len(gt_class), len(pred_class))
        for c in gt.categories:
            counts = panoptic.pq_counts(pairs, gt_class == c, pred_class == c)
            pooled[c] = panoptic.PQCounts(*(a + b for a, b in zip(pooled[c], counts)))  # type: ignore[arg-type]
            if counts.tp + counts.fn:
                per_image[c].append(counts.quality)
        binary.append((panoptic.pq_counts(pairs).quality, panoptic.aji(pairs), panoptic.dice(pairs)))
        centres = (detection.centroids(gt_map, len(gt_class)), detection.centroids(pred_map, len(pred_class)))
        pairings.append(detection.pair_by_centroid(centres[0], gt_class, centres[1], pred_class))
    paired = detection.pool(pairings)
    out = {'PQ': _mean(q for qualities in per_image.values() for q in qualities)}
    out |= {f'PQ_{name}': _mean(per_image[c]) for c, name in gt.categories.items()}
    out['mPQ+'] = _mean(counts.quality for counts in pooled.values())
    out |= {f'PQ+_{name}': pooled[c].quality for c, name in gt.categories.items()}
    out |= {key: _mean(values) for key, values in zip(('bPQ', 'AJI', 'Dice'), zip(*binary))}
    out['F1'] = detection.detection_f1(paired)
    return out | {f'F1_{name}': detection.class_f1(paired, c) for c, name in gt.categories.items()}
