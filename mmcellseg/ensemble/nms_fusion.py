"""Non-maximum suppression over the detections of all members."""

import numpy as np

from .detections import Detections
from .fusion import Fusion
from .overlap import Measure, check_measure, overlap_groups


class NMSFusion(Fusion):
    """Keep the best detection of each cell, whichever member made it.

    With box IoU across classes this is the published method: what torchvision's nms keeps on the members'
    concatenated boxes. Equal scores rank by member, then by index. A member's weight, relative to the highest,
    multiplies its scores.

    Args:
        iou: ``'box'``, ``'mask'``, or ``'mask_min'`` (what two masks share over the smaller one).
        threshold: A detection that overlaps a kept one by more than this is left out.
        class_wise: Compare detections of one class only.
        options: See ``Fusion``.
    """

    def __init__(self, iou: Measure = 'box', threshold: float = 0.5, class_wise: bool = False, **options) -> None:
        super().__init__(**options)
        check_measure(iou, threshold)
        self.iou = iou
        self.threshold = threshold
        self.class_wise = class_wise

    def merge(self, detections: Detections, weights: np.ndarray) -> Detections:
        """See ``Fusion.merge``."""
        return detections[overlap_groups(detections, self.iou, self.threshold, self.class_wise).seeds]
