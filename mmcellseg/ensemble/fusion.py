"""What all ways of merging members share: calibration, weights, floors, cap, and the cleaning of masks."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np

from ..structures.masks import InstanceMasks
from .calibration import calibrated_scores, load_calibration
from .detections import Detections
from .overlap import MEASURES, Measure


def largest_components(masks: InstanceMasks) -> tuple[np.ndarray, InstanceMasks]:
    """Which masks (N,) bool have several pieces (8-connected), and these masks' largest pieces.

    Of equal pieces the one stays that a scan by rows meets first.
    """
    several, pieces = np.zeros(len(masks), bool), []
    for i, window in enumerate(masks.windows()):
        number, labels, stats, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(window))
        if number > 2:
            several[i] = True
            pieces.append((labels == 1 + np.argmax(stats[1:, cv2.CC_STAT_AREA])).astype(np.uint8))
    return several, InstanceMasks.from_windows(masks.boxes[several], pieces, masks.height, masks.width)


def hidden_by_better(masks: InstanceMasks) -> np.ndarray:
    """Which (N,) bool of ranked masks, the best first, lie under better ones by more than half of their px.

    A mask that is hidden itself hides no other. This is the test of Kirillov et al. 2019, "Panoptic
    Segmentation", section 7, for which of overlapping instances a label map takes in.
    """
    taken = np.zeros((masks.height, masks.width), bool)
    hidden = np.zeros(len(masks), bool)
    areas = masks.areas
    for i, ((x1, y1, x2, y2), window) in enumerate(zip(masks.boxes.tolist(), masks.windows())):
        place, mask = taken[y1:y2, x1:x2], window != 0
        hidden[i] = np.count_nonzero(place & mask) > 0.5 * areas[i]
        if not hidden[i]:
            place |= mask
    return hidden


@dataclass(kw_only=True, eq=False)
class Fusion(ABC):
    """Base of the fusions: prepares the detections, merges them (the subclass), and cleans what comes out.

    Args:
        iou: Measure of overlap: ``'box'``, ``'mask'``, or ``'mask_min'`` (what two masks share over the smaller one).
        threshold: Detections that overlap by more than this may be of one cell.
        calibration: What ``fit_calibration`` gave, as a json file or a mapping. Default: the scores as they are.
        score_floor: Detections below it are left out before merging, after calibration.
        final_score_floor: The same for what merging yields.
        max_per_image: At most so many per image, those of the highest scores. Default: all.
        min_area: Merged masks of fewer px are left out.
        largest_component: Keep only each merged mask's largest piece.
        hidden_factor: Multiplies the score of a merged detection that lies under better ones, of whatever class, by
            more than half. Below 1 it takes second guesses at a cell out of label maps, and leaves them to AP.
    """

    iou: Measure = 'mask'
    threshold: float = 0.5
    calibration: str | Path | Mapping | None = None
    score_floor: float = 0.0
    final_score_floor: float = 0.0
    max_per_image: int | None = None
    min_area: int = 1
    largest_component: bool = False
    hidden_factor: float = 1.0

    kinds: ClassVar[dict[str, type['Fusion']]] = {}

    def __init_subclass__(cls) -> None:
        Fusion.kinds[cls.__name__] = cls

    def __post_init__(self) -> None:
        if self.iou not in MEASURES:
            raise ValueError(f'iou is {self.iou!r}, expected one of {MEASURES}')
        self._check_share('threshold', below=True)
        self._check_share('hidden_factor')
        if self.max_per_image is not None and self.max_per_image < 1:
            raise ValueError(f'max_per_image is {self.max_per_image}, expected None or at least 1')
        self._curves = None if self.calibration is None else load_calibration(self.calibration)

    def _check_share(self, name: str, below: bool = False) -> None:
        value = getattr(self, name)
        if not 0 <= value <= 1 or (below and value == 1):
            raise ValueError(f'{name} is {value}, expected a number from 0 to {"below " if below else ""}1')

    @abstractmethod
    def merge(self, detections: Detections, weights: np.ndarray) -> Detections:
        """Merge ranked detections whose scores are weighted; ``weights`` (M,) are the members', the highest 1."""

    def __call__(
        self,
        detections: Detections,
        names: Sequence[str] | None = None,
        weights: Sequence[float] | np.ndarray | None = None,
    ) -> Detections:
        """Merge one image's detections of M members, ranked by score; ``members`` and ``indices`` are the leaders'.

        Args:
            names: M member names; needed by a calibration only.
            weights: M positive numbers, relative to each other. Default: equal ones.
        """
        if weights is None:
            weights = np.ones(int(detections.members.max(initial=0)) + 1 if names is None else len(names))
        factors = np.asarray(weights, np.float64)
        if not (np.isfinite(factors) & (factors > 0)).all():
            raise ValueError(f'member weights are {factors.tolist()}, expected finite numbers above 0')
        if self._curves is not None:
            detections = replace(detections, scores=calibrated_scores(detections, names, self._curves))
        detections = detections[detections.scores >= self.score_floor]
        factors = factors / factors.max(initial=np.finfo(float).tiny)
        weighted = replace(detections, scores=detections.scores * factors[detections.members])
        return self._clean(self.merge(weighted.ranked(), factors))

    def _clean(self, merged: Detections) -> Detections:
        merged = merged[merged.scores >= self.final_score_floor]
        if self.largest_component:
            several, pieces = largest_components(merged.masks)
            merged = merged.with_masks(pieces, several)
        if self.min_area > 1:
            merged = merged[merged.masks.areas >= self.min_area]
        merged = merged.ranked()
        if self.hidden_factor < 1:
            factors = np.where(hidden_by_better(merged.masks), self.hidden_factor, 1.0)
            merged = replace(merged, scores=merged.scores * factors)
            merged = merged[merged.scores >= self.final_score_floor].ranked()
        return merged[: self.max_per_image]


def build_fusion(config: Mapping[str, Any]) -> Fusion:
    """The fusion that a config names with its ``type``. Raises ``ValueError`` for no such fusion, option or value."""
    options = dict(config)
    kind = options.pop('type', None)
    if kind not in Fusion.kinds:
        raise ValueError(f'fusion type {kind!r}, expected one of {", ".join(sorted(Fusion.kinds))}')
    try:
        return Fusion.kinds[kind](**options)
    except TypeError as error:
        raise ValueError(f'fusion {kind}: {error}') from error
