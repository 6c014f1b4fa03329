"""Boxes of detectors that predict masks alone: SOLO and SOLOv2 give every mask the box (0, 0, 0, 0)."""

from collections.abc import Callable

import numpy as np


def with_mask_boxes(boxes: np.ndarray, mask_boxes: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Boxes in which those without any extent, points, are their masks'; and which predictions then have one.

    A box that is a line lay beyond the image's edge before it was clipped: there is no cell. ``mask_boxes`` gives the
    tight boxes (M, 4) xyxy of the masks of some predictions (M,); zeros for an empty mask.
    """
    points = np.flatnonzero((boxes[:, 2:] == boxes[:, :2]).all(axis=1))
    if len(points):
        boxes = boxes.copy()
        boxes[points] = mask_boxes(points)
    return boxes, np.all(boxes[:, 2:] > boxes[:, :2], axis=1)
