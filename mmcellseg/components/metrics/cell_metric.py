"""The evaluator of a run: collects predictions, writes the results file, and hands both to ``evaluate_results``."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.registry import METRICS
from mmengine.evaluator import BaseMetric
from mmengine.fileio import get_local_path
from mmengine.logging import print_log
from mmengine.runner import Runner

from ...evaluation.centroid_f1 import RADIUS
from ...evaluation.evaluate import DEFAULT_METRICS, check_settings, evaluate_results
from ...evaluation.evaluate import METRICS as KINDS
from ...evaluation.ground_truth import GroundTruth
from ...evaluation.instances import EvaluationError
from ...structures.point_boxes import with_mask_boxes
from ...structures.results import write_results
from ...structures.run_files import RESULTS_NAME
from ..box_masks import BoxMasks


def write_beside_log(runner: Runner) -> None:
    """Let the metrics of a test write into the folder of its log, those that were told no other."""
    for metric in runner.test_evaluator.metrics:
        if getattr(metric, 'out_dir', '') is None:
            metric.out_dir = runner.log_dir


def to_rles(masks: Any) -> list[dict]:
    """COCO RLEs with ``counts`` as str of whatever a mask head yields: see :meth:`BoxMasks.of`."""
    if len(masks) == 0:
        return []
    rles = masks if isinstance(masks, list) else BoxMasks.of(masks).to_rles()
    return [
        {'size': [int(v) for v in r['size']], 'counts': c.decode() if isinstance(c := r['counts'], bytes) else c}
        for r in rles
    ]


@METRICS.register_module()
class CellMetric(BaseMetric):
    """AP at one detection cap, panoptic quality, AJI, Dice and F1 of cells; in a config where CocoMetric would be.

    The figures, their keys and what is left out of which are in
    :func:`~mmcellseg.evaluation.evaluate.evaluate_results`; a run logs them as ``cell/segm_AP50``, ``cell/PQ``, …
    Only images that were predicted are evaluated, and it is said if the annotation file has more. A prediction
    without a box takes its mask's; one that then has none is left out, which is said once.

    Args:
        ann_file: COCO json, or its content; None only with ``format_only``.
        metric: What is computed.
        max_dets: Detections per image and class that count for AP; None: no cap that cuts anything.
        score_thr: Least score of a prediction in PQ, AJI, Dice and F1.
        area_edges: Two areas in px² between small, medium and large; None: terciles of the cells.
        f1_radius: px between two centroids that F1 still pairs: 12 at 40× magnification, 6 at 20×.
        results_file: Where rank 0 writes the predictions; a relative path lies in ``out_dir``, which a test sets to
            the folder of its log (:func:`write_beside_log`), or else in the working directory. None: no file, or
            test-results.json with ``format_only``. Where the model keeps the views of test-time augmentation, each
            has a file beside it: ``test-results.view0.json`` beside ``test-results.json``.
        format_only: Write the results file and compute nothing.
        backend_args: mmengine's file backend for ``ann_file``.
        kwargs: Those of ``mmengine.evaluator.BaseMetric``: collect_device, prefix, collect_dir.
    """

    default_prefix = 'cell'

    def __init__(
        self,
        ann_file: str | Mapping | None = None,
        metric: str | Sequence[str] = DEFAULT_METRICS,
        max_dets: int | None = None,
        score_thr: float = 0.5,
        area_edges: tuple[float, float] | None = None,
        f1_radius: float = RADIUS,
        results_file: str | os.PathLike | None = None,
        format_only: bool = False,
        backend_args: dict | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.metrics = (metric,) if isinstance(metric, str) else tuple(metric)
        if not self.metrics or set(self.metrics) - set(KINDS):
            raise ValueError(f'CellMetric: metric={metric!r}, expected one or more of {KINDS}')
        if ann_file is None and not format_only:
            raise ValueError('CellMetric: ann_file is needed to compute figures; give it or set format_only=True')
        check_settings(max_dets, area_edges, f1_radius)
        self.ann_file = ann_file
        self.backend_args = backend_args
        self.settings = {'max_dets': max_dets, 'score_thr': score_thr, 'area_edges': area_edges, 'f1_radius': f1_radius}
        self.format_only = format_only
        self.out_dir: str | os.PathLike | None = None
        self._file = RESULTS_NAME if results_file is None and format_only else results_file
        self._ground_truth: GroundTruth | None = None
        self._said_dropped = False

    @property
    def results_file(self) -> str | None:
        """Path of the results file of this run, None if none is written."""
        return None if self._file is None else str(Path(self.out_dir or '.') / self._file)

    @BaseMetric.dataset_meta.setter  # type: ignore[attr-defined]
    def dataset_meta(self, dataset_meta: dict) -> None:
        """Known when the loop is built: a bad annotation file is refused before training, not after an epoch."""
        self._dataset_meta = dataset_meta
        if isinstance(self.ann_file, Mapping):
            self._ground_truth = GroundTruth(self.ann_file, dataset_meta.get('classes'))
        elif self.ann_file is not None:
            with get_local_path(self.ann_file, backend_args=self.backend_args) as path:
                self._ground_truth = GroundTruth(path, dataset_meta.get('classes'))

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep one item per image; masks become RLE at once."""
        for sample in data_samples:
            if 'pred_instances' not in sample:
                raise EvaluationError(
                    f'image {sample.get("img_id")}: its data sample has no pred_instances but {sorted(sample)}; '
                    'CellMetric needs the predictions of a detector'
                )
            item = self._item(sample['img_id'], sample['pred_instances'])
            item['dropped'] += sample.get('dropped', 0)
            item['views'] = [self._item(sample['img_id'], view) for view in sample.get('views', [])]
            self.results.append(item)

    def _item(self, image_id: int, pred: Mapping[str, Any]) -> dict[str, Any]:
        boxes, scores, labels = (np.asarray(pred[key].detach().cpu()) for key in ('bboxes', 'scores', 'labels'))
        masks = to_rles(pred['masks']) if 'masks' in pred else None
        if masks is None and set(self.metrics) != {'bbox'}:
            raise EvaluationError("the model predicts no masks: set metric='bbox' in CellMetric")

        def mask_boxes(points: np.ndarray) -> np.ndarray:
            if masks is None:
                return np.zeros((len(points), 4))
            return BoxMasks.from_rles([masks[i] for i in points.tolist()], *masks[0]['size']).tight_boxes()

        # A submission with a box that is a line or a point is refused.
        boxes, kept = with_mask_boxes(boxes, mask_boxes)
        item = {'image_id': image_id, 'bboxes': boxes[kept], 'scores': scores[kept], 'labels': labels[kept]}
        if masks is not None:
            item['masks'] = [mask for mask, stays in zip(masks, kept) if stays]
        return {**item, 'dropped': int((~kept).sum())}

    def entries(self, results: Sequence[dict]) -> list[dict]:
        """The predictions of all images as a COCO results list, in the order of the images."""
        ids = list(self._ground_truth.categories) if self._ground_truth else None
        out = []
        for item in results:
            boxes = item['bboxes'].astype(np.float64)
            boxes[:, 2:] -= boxes[:, :2]
            categories = [ids[k] if ids else k + 1 for k in item['labels'].tolist()]
            columns = zip(boxes.tolist(), item['scores'].astype(np.float64).tolist(), categories)
            for k, (box, score, category) in enumerate(columns):
                entry = {'image_id': item['image_id'], 'bbox': box, 'score': score, 'category_id': category}
                if 'masks' in item:
                    entry['segmentation'] = item['masks'][k]
                out.append(entry)
        return out

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Write the results file, and evaluate. Called on rank 0 with the items of all ranks."""
        entries = self.entries(results)
        dropped = sum(item['dropped'] for item in results)
        if dropped and not self._said_dropped:
            self._said_dropped = True
            text = f'{dropped} predictions without a pixel, or with a box beyond the edge of the image, were left out'
            print_log(text, 'current', logging.WARNING)
        if self.results_file is not None:
            number = write_results(self.results_file, entries)
            print_log(f'{number} predictions of {len(results)} images in {self.results_file}', 'current')
            for k, items in enumerate(zip(*(item['views'] for item in results), strict=True)):
                beside = Path(self.results_file).with_suffix(f'.view{k}.json')
                number = write_results(beside, self.entries(items))
                print_log(f'{number} predictions of view {k} in {beside}', 'current')
        if self.format_only:
            return {}
        assert self._ground_truth is not None, 'dataset_meta has not been set'
        seen = [item['image_id'] for item in results]
        found, listed = len(set(seen)), len(self._ground_truth.images)
        if found < listed:
            text = f'{found} of the {listed} images of {self.ann_file} were predicted; the figures are of these'
            print_log(text, 'current', logging.WARNING)
        return evaluate_results(entries, self._ground_truth, metrics=self.metrics, image_ids=seen, **self.settings)  # type: ignore[arg-type]
