"""Which tiles of a slide show tissue."""

import cv2
import numpy as np

from .regions import RegionImage
from .tiles import Grid

THUMBNAIL = 2048  # px of its longer side, at most
SATURATION = (0.04, 0.08)  # glass and its shadows are below the first, stains above the second
DARK = 0.6  # so is a fold, a pen mark or a dark field: predicting it costs time only


def tissue_mask(thumbnail: np.ndarray) -> np.ndarray:
    """Bool (h, w) of the px of a thumbnail (h, w, 3) uint8 that are not clearly background.

    Background is bright, and its saturation is below Otsu's threshold, within ``SATURATION``: on a slide that is all
    tissue, Otsu's alone would part pale tissue from dark, and on one without any, noise.
    """
    value, least = thumbnail.max(axis=2).astype(np.float32), thumbnail.min(axis=2)
    saturation = np.rint(255 * (value - least) / np.maximum(value, 1)).astype(np.uint8)
    otsu, _ = cv2.threshold(saturation, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return (saturation > np.clip(otsu / 255, *SATURATION) * 255) | (value < 255 * DARK)


def tiles_without_tissue(image: RegionImage, grid: Grid) -> np.ndarray:
    """(R × C,) bool: tiles in which no px of the thumbnail is tissue."""
    scale = min(1.0, THUMBNAIL / max(image.height, image.width))
    tissue = tissue_mask(image.thumbnail(round(image.height * scale) or 1, round(image.width * scale) or 1))
    (height, width), sums = tissue.shape, np.pad(tissue.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    box = grid.boxes(np.arange(len(grid))) * np.tile([width / image.width, height / image.height], 2)
    (x0, y0), (x1, y1) = np.floor(box[:, :2]).astype(int).T, np.ceil(box[:, 2:]).astype(int).T
    x1, y1 = x1.clip(max=width), y1.clip(max=height)
    return sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0] == 0
