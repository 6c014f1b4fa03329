"""Non-maximum suppression over the detections of all members."""

from dataclasses import dataclass

import numpy as np

from .detections import Detections
from .fusion import Fusion
from .overlap import Measure, overlap_groups


@dataclass(kw_only=True, eq=False)
class NMSFusion(Fusion):
    """Keep the best detection of each cell, whichever member made it.

    With box IoU across classes this is the published method: what torchvision's nms keeps on the members'
    concatenated boxes. Equal scores rank by member, then by index.

    Args:
        iou, threshold: See ``Fusion``.
        class_wise: Compare detections of one class only.
    """

    iou: Measure = 'box'
    class_wise: bool = False

    def merge(self, detections: Detections, weights: np.ndarray) -> Detections:
        """See ``Fusion.merge``."""
        return detections[overlap_groups(detections, self.iou, self.threshold, self.class_wise).seeds]
