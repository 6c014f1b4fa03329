"""What all ways of merging members share: calibration, weights, floors, cap, and the cleaning of masks."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from ..structures.masks import InstanceMasks
from .calibration import Calibration
from .detections import Detections
from .hidden import hidden_by_better


def largest_components(masks: InstanceMasks) -> tuple[np.ndarray, InstanceMasks]:
    """Which masks (N,) bool have several pieces (8-connected), and these masks' largest pieces.

    Of equal pieces the one stays that a scan by rows meets first.
    """
    several, pieces = np.zeros(len(masks), bool), []
    for i in range(len(masks)):
        number, labels, stats, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(masks.window(i)))
        if number > 2:
            several[i] = True
            pieces.append((labels == 1 + np.argmax(stats[1:, cv2.CC_STAT_AREA])).astype(np.uint8))
    return several, InstanceMasks.from_windows(masks.boxes[several], pieces, masks.height, masks.width)


class Fusion(ABC):
    """Base of the fusions: prepares the detections, merges them (the subclass), and cleans what comes out.

    Args:
        calibration: Json file or mapping member → category → (slope, offset), as ``Calibration`` has it.
            Default: the scores as they are.
        score_floor: Detections below it are left out before merging, after calibration.
        final_score_floor: The same for what merging yields.
        max_per_image: At most so many per image, those of the highest scores. Default: all.
        min_area: Merged masks of fewer px are left out.
        largest_component: Keep only each merged mask's largest piece.
        hidden_factor: Multiplies the score of a merged detection that lies under better ones, of whatever class, by
            more than half. Below 1 it takes second guesses at a cell out of label maps, and leaves them to AP.
    """

    def __init__(
        self,
        calibration: str | Path | Mapping | None = None,
        score_floor: float = 0.0,
        final_score_floor: float = 0.0,
        max_per_image: int | None = None,
        min_area: int = 1,
        largest_component: bool = False,
        hidden_factor: float = 1.0,
    ) -> None:
        if not 0 <= hidden_factor <= 1:
            raise ValueError(f'hidden_factor is {hidden_factor}, expected a number from 0 to 1')
        if max_per_image is not None and max_per_image < 1:
            raise ValueError(f'max_per_image is {max_per_image}, expected None or at least 1')
        self.calibration = None if calibration is None else Calibration.load(calibration)
        self.score_floor = score_floor
        self.final_score_floor = final_score_floor
        self.max_per_image = max_per_image
        self.min_area = min_area
        self.largest_component = largest_component
        self.hidden_factor = hidden_factor

    @abstractmethod
    def merge(self, detections: Detections, weights: np.ndarray) -> Detections:
        """Merge ranked detections whose scores are weighted; ``weights`` (M,) are the members', the highest 1."""

    def __call__(
        self,
        detections: Detections,
        names: Sequence[str] | None = None,
        weights: Sequence[float] | np.ndarray | None = None,
    ) -> Detections:
        """Merge one image's detections of M members.

        Args:
            detections: Of all members, in any order.
            names: M member names; needed by a calibration only.
            weights: M positive numbers, relative to each other. Default: equal ones.

        Returns:
            Detections ranked by score; ``members`` and ``indices`` are those of the detection that led.
        """
        if weights is None:
            weights = np.ones(int(detections.members.max(initial=0)) + 1 if names is None else len(names))
        factors = np.asarray(weights, np.float64)
        if not (np.isfinite(factors) & (factors > 0)).all():
            raise ValueError(f'member weights are {factors.tolist()}, expected finite numbers above 0')
        if self.calibration is not None:
            if names is None:
                raise ValueError('a calibration needs the names of the members')
            detections = detections.with_scores(self.calibration.apply(detections, names))
        detections = detections[detections.scores >= self.score_floor]
        factors = factors / factors.max(initial=np.finfo(float).tiny)
        weighted = detections.with_scores(detections.scores * factors[detections.members])
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
            merged = merged.with_scores(merged.scores * factors)
            merged = merged[merged.scores >= self.final_score_floor].ranked()
        return merged[: self.max_per_image]
