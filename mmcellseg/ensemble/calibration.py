"""Platt scaling of scores, one curve per member and class.

Platt 1999, "Probabilistic outputs for support vector machines": p(hit | score) = sigmoid(slope × logit(score) +
offset), with the smoothed targets of that paper.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..evaluation.ground_truth import GroundTruth
from ..evaluation.matching import match
from ..structures.files import atomic_write
from ..structures.masks import InstanceMasks
from ..structures.overlaps import mask_iou_pairs
from .detections import Detections
from .members import Member, Predictions, read_image_set, read_out_of_fold, share_out_of_fold

Curve = tuple[float, float]

_EPS = 1e-6
_FEWEST = 10  # hits, and misses, that a curve of its own takes; below, the member's curve over all classes is used
_ALL = 'all'


def logit(scores: np.ndarray) -> np.ndarray:
    """log(s / (1 − s)), with s kept 1e-6 away from 0 and 1."""
    clipped = np.clip(scores, _EPS, 1 - _EPS)
    return np.log(clipped) - np.log1p(-clipped)


def apply_curve(scores: np.ndarray, curve: Curve) -> np.ndarray:
    """Calibrated scores (N,) in (0, 1)."""
    return 1 / (1 + np.exp(-(curve[0] * logit(scores) + curve[1])))


def fit_platt(scores: np.ndarray, hits: np.ndarray) -> Curve:
    """Slope and offset that make the scores (N,) probabilities of the hits (N,) bool.

    The targets (n₊ + 1) / (n₊ + 2) and 1 / (n₋ + 2) keep the fit finite. The slope is never below 0: a calibration
    may flatten a ranking and never reverses it.
    """
    from scipy.optimize import minimize  # 30 MB that merging does without

    x = logit(np.asarray(scores, np.float64))
    positive, negative = np.count_nonzero(hits), np.count_nonzero(~hits)
    target = np.where(hits, (positive + 1) / (positive + 2), 1 / (negative + 2))
    prior = float(np.log((positive + 1) / (negative + 1)))

    def loss(curve: np.ndarray) -> tuple[float, np.ndarray]:
        z = curve[0] * x + curve[1]
        excess = 1 / (1 + np.exp(-z)) - target
        return (np.logaddexp(0, z) - target * z).mean(), np.array([(excess * x).mean(), excess.mean()])

    slope, offset = minimize(loss, [0.0, prior], jac=True, method='BFGS', options={'gtol': 1e-9}).x.tolist()
    return (slope, offset) if slope > 0 else (0.0, prior)


def match_hits(
    masks: InstanceMasks,
    labels: np.ndarray,
    scores: np.ndarray,
    truth: InstanceMasks,
    truth_labels: np.ndarray,
    threshold: float = 0.5,
) -> np.ndarray:
    """Which detections (N,) bool are hits: best score first, each takes the free cell of its class that it
    overlaps most, from mask IoU ``threshold`` on, as the COCO evaluation does."""
    first, second, iou = mask_iou_pairs(masks, truth)
    same = labels[first] == truth_labels[second]
    first, second, iou = first[same], second[same], iou[same]
    rank = np.argsort(np.argsort(-scores, kind='stable'))
    (taken,) = match(rank[first], first, second, iou, [threshold])
    hits = np.zeros(len(scores), bool)
    hits[first[taken]] = True
    return hits


def fit_curves(scores: np.ndarray, labels: np.ndarray, hits: np.ndarray) -> dict[str, Curve]:
    """A member's curves by category, and ``'all'``, from three arrays (N,).

    A class of few hits or misses has none: it takes that over all classes. Without a hit or a miss there is none.
    """
    groups = {_ALL: np.ones(len(scores), bool)}
    groups |= {str(label): labels == label for label in np.unique(labels).tolist()}
    return {
        key: fit_platt(scores[group], hits[group])
        for key, group in groups.items()
        if min(hits[group].sum(), (~hits[group]).sum()) >= (1 if key == _ALL else _FEWEST)
    }


def fit_calibration(predictions: Predictions, truth: GroundTruth) -> dict[str, dict[str, Curve]]:
    """Each member's curves from its predictions of annotated images: member → category as a string, or 'all'."""
    fitted = {}
    for name, of_member in predictions.items():
        parts = [(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, bool))]
        for image_id, entries in of_member.items():
            found = Detections.from_entries([entries], *truth.images[image_id])
            labels = truth.category_ids[truth.rows(image_id)]
            hits = match_hits(found.masks, found.labels, found.scores, truth.masks(image_id), labels)
            parts.append((found.scores, found.labels, hits))
        fitted[name] = fit_curves(*(np.concatenate(column) for column in zip(*parts)))
    return fitted


def write_calibration(path: str | os.PathLike, members: Sequence[Member], ann_file: str | os.PathLike) -> None:
    """Fit members on their ``oof`` files, annotated in ``ann_file``, and write a json file for a ``calibration``.

    Members with the same files have the same curves. Raises as ``read_out_of_fold``.
    """
    groups = share_out_of_fold(members)
    predictions = read_out_of_fold([group[0] for group in groups], read_image_set(ann_file))
    fitted = fit_calibration(predictions, GroundTruth(ann_file))
    curves = {member.name: fitted[group[0].name] for group in groups for member in group}
    atomic_write(Path(path), json.dumps(curves, indent=1) + '\n')


def load_calibration(source: str | os.PathLike | Mapping) -> dict[str, dict[str, Curve]]:
    """What ``fit_calibration`` gave, from a json file or a mapping; ``ValueError`` for anything else."""
    try:
        content = source if isinstance(source, Mapping) else json.loads(Path(source).read_text())
        return {
            name: {str(key): (float(slope), float(offset)) for key, (slope, offset) in of_member.items()}
            for name, of_member in content.items()
        }
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f'{source}: expected member → category → [slope, offset], as tools/ensemble.py '
            f'--fit-calibration writes it ({error})'
        ) from error


def calibrated_scores(
    detections: Detections, names: Sequence[str] | None, curves: Mapping[str, Mapping[str, Curve]]
) -> np.ndarray:
    """Calibrated scores (N,). Every member must have been fitted (``ValueError``)."""
    if names is None:
        raise ValueError('a calibration needs the names of the members')
    unknown = [name for name in names if name not in curves]
    if unknown:
        raise ValueError(f'the calibration knows {sorted(curves)} and not {unknown}: fit it on these members')
    scores = detections.scores.copy()
    for member, label in np.unique(np.stack([detections.members, detections.labels], 1), axis=0).tolist():
        of_member = curves[names[member]]
        curve = of_member.get(str(label), of_member.get(_ALL))
        if curve is not None:
            chosen = (detections.members == member) & (detections.labels == label)
            scores[chosen] = apply_curve(scores[chosen], curve)
    return scores
