"""Contours of cells on an image, drawn window by window."""

from collections.abc import Sequence

import cv2
import numpy as np

from ..structures.masks import InstanceMasks

Colour = tuple[int, int, int]


def draw_contours(
    image: np.ndarray,
    masks: InstanceMasks | Sequence[dict],
    labels: Sequence[int] | np.ndarray,
    palette: Sequence[Colour],
    thickness: int = 1,
    zoom: int = 1,
) -> np.ndarray:
    """Draw the outline of every mask, holes included, and return the drawn image; ``image`` stays as it is.

    A line runs on the mask's own border pixels. Memory goes with the masks' boxes, not with masks × image.

    Args:
        image: uint8 (H, W, 3).
        masks: N masks of this image, as box masks or as COCO RLEs.
        labels: (N,) index into the palette; it starts again behind the last colour.
        palette: Colours in the image's channel order.
        thickness: Of the line, in px of the drawn image.
        zoom: Whole factor by which the image is enlarged before lines are drawn.

    Raises:
        ValueError: Masks and labels differ in number, or the masks are of another image size.
    """
    height, width = image.shape[:2]
    if not isinstance(masks, InstanceMasks):
        masks = InstanceMasks.from_rles(masks, height, width)
    if len(masks) != len(labels):
        raise ValueError(f'expected one label for each mask, but found {len(masks)} masks and {len(labels)} labels')
    if len(masks) and (masks.height, masks.width) != (height, width):
        raise ValueError(
            f'expected masks of the image drawn on, {height} x {width} px, but they are of one of '
            f'{masks.height} x {masks.width} px; draw on the image that they were made for'
        )
    size = (width * zoom, height * zoom)
    drawn = image.copy() if zoom == 1 else cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    drawn = np.ascontiguousarray(drawn)
    for window, box, label in zip(masks.windows(), masks.boxes.tolist(), np.asarray(labels).tolist()):
        if not window.size:
            continue
        if zoom > 1:
            window = np.repeat(np.repeat(window, zoom, 0), zoom, 1)
        offset = (box[0] * zoom, box[1] * zoom)
        lines, _ = cv2.findContours(window, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=offset)
        cv2.drawContours(drawn, lines, -1, [int(c) for c in palette[label % len(palette)]], thickness)
    return drawn
