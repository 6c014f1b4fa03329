"""COCO average precision at one detection cap, with hotcoco as the backend.

hotcoco gives pycocotools' figures bit for bit and takes the data as columns; every figure comes from one matching at
one cap, never AP at 100 detections beside AP50 at 1,000.
"""

import os
from typing import Literal

import numpy as np
from hotcoco import COCOeval
from hotcoco import mask as hotcoco_mask

from .ground_truth import GroundTruth
from .predictions import Predictions
from .tables import EvaluationError

BINS = ('all', 'small', 'medium', 'large')
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
_LARGEST = 1e10  # px², COCO's "no limit"
# The backend's threads do not survive a fork: the child would wait for them for ever.
_threads = {'started': False, 'lost': False}
os.register_at_fork(after_in_child=lambda: _threads.update(lost=_threads['started']))


def largest_group(predictions: Predictions) -> int:
    """The largest number of predictions that an image has of one class: a cap at which nothing is cut (≥ 1)."""
    if not len(predictions):
        return 1
    pairs = np.stack([predictions.image_ids, predictions.category_ids], axis=1)
    return int(np.unique(pairs, axis=0, return_counts=True)[1].max())


def precision_table(
    gt: GroundTruth,
    predictions: Predictions,
    kind: Literal['bbox', 'segm'],
    max_dets: int,
    area_edges: tuple[float, float],
    image_ids: list[int],
) -> np.ndarray:
    """Interpolated precision (10 IoU thresholds, 101 recalls, K classes, 4 area bins); −1 where a bin has no cell.

    As pycocotools' ``COCOeval`` (Lin et al. 2014, Microsoft COCO): greedy matching in order of score, ties in order
    of entry, crowd regions ignored. The best ``max_dets`` predictions of each image and class count. Bins are
    closed, in px² of the annotation's area; an unmatched prediction is put in a bin by its mask's pixels for
    ``segm`` and its box's for ``bbox``.
    """
    if _threads['lost']:
        raise RuntimeError('AP was computed before this process was forked: start it with the spawn method instead')
    _threads['started'] = True
    if kind == 'segm' and gt.rles is None:
        raise EvaluationError(f'{gt.name}: annotations without segmentation; evaluate bbox only')
    low, high = area_edges
    evaluator = COCOeval(gt.coco, _loaded(gt, predictions, kind), kind)
    params = evaluator.params
    params.img_ids = sorted(image_ids)
    params.cat_ids = sorted(gt.categories)
    params.max_dets = [int(max_dets)]
    params.area_rng = [[0, _LARGEST], [0, low], [low, high], [high, _LARGEST]]
    params.area_rng_lbl = list(BINS)
    evaluator.evaluate()
    evaluator.accumulate()
    assert evaluator.eval is not None
    table = np.asarray(evaluator.eval['precision'], np.float64)[..., 0]
    # pycocotools adds 2e-16 to the denominator, which takes some perfect figures to 0.9999999999999998. A single
    # false positive among 10⁹ predictions lowers them more than this.
    table[table > 1 - 1e-12] = 1.0
    return table[:, :, np.argsort(np.argsort(list(gt.categories)))]


def _loaded(gt: GroundTruth, predictions: Predictions, kind: str):
    columns = [predictions.image_ids, *predictions.boxes.T, predictions.scores, predictions.category_ids]
    table = np.stack(columns, axis=1).astype(np.float64)
    if kind == 'bbox' or not predictions.rles:
        return gt.coco.load_res(table)
    loaded = gt.coco.load_res(table, segmentation=predictions.rles)  # type: ignore[arg-type]
    # With boxes at hand the backend, like pycocotools, takes the box's area even for masks.
    areas = hotcoco_mask.area(predictions.rles)
    loaded.update_anns(ids=np.arange(1, len(predictions) + 1), area=np.asarray(areas, np.float64))
    return loaded


def _mean(values: np.ndarray) -> float:
    present = values[values > -1]
    return float(present.mean()) if len(present) else float('nan')


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
            out[f'{prefix}_{name}_{class_name}'] = _mean(table[part, :, k, 0])
    return out
