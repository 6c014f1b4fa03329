"""One function from a predictions file and an annotation file to every figure."""

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..structures.json_file import numbers, short, whole
from ..structures.results import read_results
from .ap import Matches, ap_metrics, largest_group, match_predictions, precision_table
from .centroid_f1 import RADIUS
from .ground_truth import GroundTruth
from .instances import EvaluationError
from .label_map_figures import Counts, count_images, matching_figures, panoptic_figures
from .predictions import Predictions

Results = str | os.PathLike | Sequence[Mapping]
Annotations = str | os.PathLike | Mapping | GroundTruth
METRICS = ('bbox', 'segm', 'panoptic', 'matching')
DEFAULT_METRICS = METRICS[:3]


def check_settings(max_dets: int | None, area_edges: Sequence[float] | None, f1_radius: float = RADIUS) -> None:
    """Refuse a cap below 1, area edges that are not two ascending numbers, a negative radius (EvaluationError)."""
    if max_dets is not None and (not whole(max_dets) or max_dets < 1):
        raise EvaluationError(f'max_dets is {short(max_dets)}, expected a whole number above 0, or None for no cap')
    if area_edges is not None and (not numbers(area_edges, 2) or not 0 <= area_edges[0] <= area_edges[1]):
        raise EvaluationError(f'area_edges is {short(area_edges)}, expected two areas in px², the smaller one first')
    if not numbers([f1_radius], 1) or f1_radius < 0:
        raise EvaluationError(f'f1_radius is {short(f1_radius)}, expected a distance in px from 0 up')


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


class Evaluation:
    """What is known of each image after matching: the figures of any draw of the images follow from it.

    Args:
        results: Path of a results file, or its entries.
        ann_file: COCO json, its content, or a loaded :class:`GroundTruth` (quicker when used often).
        metrics: Any of ``METRICS``.
        max_dets: Detections per image and class that count for AP, best first; None: as many as there are.
        score_thr: Predictions below it stay out of the label-map metrics and F1. AP uses all.
        area_edges: Two areas in px² between small, medium and large; None: terciles of the evaluated cells.
        image_ids: Evaluate these images only; None: all of the annotation file.
        f1_radius: px between two centroids that F1 still pairs: 12 at 40× magnification, 6 at 20×.

    Attributes: ``image_ids``, the evaluated images, ascending; ``matches``, the hits of ``bbox`` and ``segm`` if asked.
    ``EvaluationError`` says what makes no sense; ``CocoError``, ``ResultsError``: a file cannot be read.
    """

    def __init__(
        self,
        results: Results,
        ann_file: Annotations,
        *,
        metrics: Iterable[str] = DEFAULT_METRICS,
        max_dets: int | None = None,
        score_thr: float = 0.5,
        area_edges: tuple[float, float] | None = None,
        image_ids: Iterable[int] | None = None,
        f1_radius: float = RADIUS,
    ) -> None:
        self.metrics = tuple(metrics)
        unknown = set(self.metrics) - set(METRICS)
        if unknown or not self.metrics:
            raise EvaluationError(f'metrics {sorted(unknown) or "are empty"}: expected some of {METRICS}')
        check_settings(max_dets, area_edges, f1_radius)
        gt = ann_file if isinstance(ann_file, GroundTruth) else GroundTruth(ann_file)
        self.image_ids = chosen_images(gt, image_ids)
        self.names = list(gt.categories.values())
        predictions = checked_predictions(results, gt, self.metrics)
        if not len(predictions):
            logging.getLogger(__name__).warning('There is not a single prediction.')
        self.max_dets = largest_group(predictions) if max_dets is None else max_dets
        edges = gt.area_edges(self.image_ids) if area_edges is None else area_edges
        self.matches: dict[str, Matches] = {
            kind: match_predictions(gt, predictions, kind, self.max_dets, edges, self.image_ids)
            for kind in ('bbox', 'segm')
            if kind in self.metrics
        }
        self._counts: Counts | None = None
        if {'panoptic', 'matching'} & set(self.metrics):
            (self._counts,) = count_images(gt, predictions, self.image_ids, [score_thr], f1_radius)

    def figures(self, drawn: np.ndarray | None = None) -> dict[str, float]:
        """The figures of :func:`evaluate_results`, or those of the images at the positions ``drawn`` (M,) in
        ``image_ids``, of which one may be drawn many times: as if each draw were an image of its own."""
        out: dict[str, float] = {}
        for kind, matches in self.matches.items():
            times = None if drawn is None else np.bincount(drawn, minlength=len(self.image_ids))
            out |= ap_metrics(precision_table(matches, times), self.names, kind)
        if self._counts is not None:
            counts = self._counts if drawn is None else Counts(*(part[drawn] for part in self._counts))
            if 'panoptic' in self.metrics:
                out |= panoptic_figures(counts, self.names)
            if 'matching' in self.metrics:
                out |= matching_figures(counts, self.names)
        return out | ({'max_dets': float(self.max_dets)} if self.matches else {})


def checked_predictions(results: Results, gt: GroundTruth, metrics: Iterable[str]) -> Predictions:
    """The predictions of a file or list, with the boxes and masks that the metrics need; errors name the file."""
    if not len(gt):
        raise EvaluationError(f'{gt.name}: not one annotation to evaluate against; use format_only for test data')
    if gt.runs is None and set(metrics) != {'bbox'}:
        raise EvaluationError(f'{gt.name}: annotations without segmentation; evaluate bbox only')
    parts = {'boxes': 'bbox' in metrics, 'masks': set(metrics) != {'bbox'}}
    if not isinstance(results, str | os.PathLike):
        return Predictions(results, gt, **parts)
    try:
        return Predictions(read_results(results), gt, **parts)
    except EvaluationError as error:
        raise EvaluationError(f'{results}: {error}') from error


def evaluate_results(results: Results, ann_file: Annotations, **settings: Any) -> dict[str, float]:
    """Evaluate a COCO results list with RLE masks. ``settings`` and errors are those of :class:`Evaluation`.

    The keys are always the same for the same classes and metrics. Nothing is rounded. docs/evaluation.md lists and
    defines every figure, and says which are NaN, and so stay out of means, where a class or image has no cells.
    """
    return Evaluation(results, ann_file, **settings).figures()


def sweep_score_thresholds(
    results: Results, ann_file: Annotations, thresholds: Sequence[float]
) -> dict[float, dict[str, float]]:
    """The ``panoptic`` figures of :func:`evaluate_results` at each score threshold, in one pass over the images."""
    gt = ann_file if isinstance(ann_file, GroundTruth) else GroundTruth(ann_file)
    predictions = checked_predictions(results, gt, ['panoptic'])
    found = count_images(gt, predictions, chosen_images(gt, None), thresholds, RADIUS)
    return {t: panoptic_figures(counts, list(gt.categories.values())) for t, counts in zip(thresholds, found)}
