"""Platt scaling of scores, one curve per member and class.

Platt 1999, "Probabilistic outputs for support vector machines", with the Newton fit of Lin, Lin and Weng 2007,
"A note on Platt's probabilistic outputs": p(hit | score) = sigmoid(slope × logit(score) + offset).
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..evaluation.matching import match
from ..structures.files import atomic_write
from ..structures.masks import InstanceMasks
from ..structures.overlaps import mask_iou_pairs
from .detections import Detections

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


def fit_platt(scores: np.ndarray, hits: np.ndarray, steps: int = 100) -> Curve:
    """Slope and offset that make the scores (N,) probabilities of the hits (N,) bool.

    The targets are Platt's, (n₊ + 1) / (n₊ + 2) and 1 / (n₋ + 2), which keep the fit finite. The slope is never
    below 0: a calibration may flatten a ranking and never reverses it.
    """
    x = logit(np.asarray(scores, np.float64))
    hits = np.asarray(hits, bool)
    positive, negative = int(hits.sum()), int((~hits).sum())
    target = np.where(hits, (positive + 1) / (positive + 2), 1 / (negative + 2))
    prior = float(np.log((positive + 1) / (negative + 1)))

    def loss(curve: np.ndarray) -> float:
        z = curve[0] * x + curve[1]
        return float((np.logaddexp(0, z) - target * z).sum())

    curve = np.array([0.0, prior])
    best = loss(curve)
    for _ in range(steps):
        p = 1 / (1 + np.exp(-(curve[0] * x + curve[1])))
        spread = p * (1 - p)
        gradient = np.array([((p - target) * x).sum(), (p - target).sum()])
        cross = (spread * x).sum()
        hessian = np.array([[(spread * x * x).sum(), cross], [cross, spread.sum()]]) + 1e-9 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        scale = 1.0
        while loss(curve - scale * step) > best - 1e-4 * scale * (gradient @ step) and scale > 1e-8:
            scale /= 2
        if scale <= 1e-8 or np.abs(gradient).max() < 1e-6:
            break
        curve = curve - scale * step
        best = loss(curve)
    return (float(curve[0]), float(curve[1])) if curve[0] > 0 else (0.0, prior)


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
    rank = np.empty(len(scores), np.int64)
    rank[np.argsort(-scores, kind='stable')] = np.arange(len(scores))
    (taken,) = match(rank[first], first, second, iou, [threshold])
    hits = np.zeros(len(scores), bool)
    hits[first[taken]] = True
    return hits


@dataclass(frozen=True)
class Calibration:
    """The curves: member name → category id as a string, or ``'all'`` → (slope, offset)."""

    curves: Mapping[str, Mapping[str, Curve]]

    @classmethod
    def fit(
        cls, members: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]], fewest: int = _FEWEST
    ) -> 'Calibration':
        """Fit from each member's out-of-fold scores, labels and hits, three arrays (N,).

        A class with fewer than ``fewest`` hits or misses takes the member's curve over all its classes.
        """
        curves: dict[str, dict[str, Curve]] = {}
        for name, (scores, labels, hits) in members.items():
            groups = {_ALL: np.ones(len(scores), bool)}
            groups |= {str(label): labels == label for label in np.unique(labels).tolist()}
            curves[name] = {
                key: fit_platt(scores[group], hits[group])
                for key, group in groups.items()
                if min(hits[group].sum(), (~hits[group]).sum()) >= (1 if key == _ALL else fewest)
            }
        return cls(curves)

    @classmethod
    def load(cls, source: 'str | os.PathLike | Mapping | Calibration') -> 'Calibration':
        """From a json file that ``save`` wrote, or a mapping of that form.

        Raises:
            ValueError: The file is no such mapping.
        """
        if isinstance(source, Calibration):
            return source
        try:
            content = source if isinstance(source, Mapping) else json.loads(Path(source).read_text())
            return cls(
                {
                    name: {str(key): (float(slope), float(offset)) for key, (slope, offset) in of_member.items()}
                    for name, of_member in content.items()
                }
            )
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(
                f'{source}: expected member → category → [slope, offset], as tools/ensemble.py '
                f'--fit-calibration writes it ({error})'
            ) from error

    def save(self, path: str | os.PathLike) -> None:
        """Write the curves as json."""
        atomic_write(path, json.dumps(self.curves, indent=1) + '\n')

    def apply(self, detections: Detections, names: Sequence[str]) -> np.ndarray:
        """Calibrated scores (N,). ``names`` are the members'.

        Raises:
            ValueError: A member has no curve at all: it was not fitted.
        """
        unknown = [name for name in names if name not in self.curves]
        if unknown:
            raise ValueError(f'the calibration knows {sorted(self.curves)} and not {unknown}: fit it on these members')
        scores = detections.scores.copy()
        for member in np.unique(detections.members).tolist():
            curves = self.curves[names[member]]
            for label in np.unique(detections.labels).tolist():
                chosen = (detections.members == member) & (detections.labels == label)
                curve = curves.get(str(label), curves.get(_ALL))
                if curve is not None:
                    scores[chosen] = apply_curve(scores[chosen], curve)
        return scores
