"""Contours of cells on an image, drawn window by window, and the legend of their classes."""

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..structures.masks import InstanceMasks

Colour = tuple[int, int, int]
SMALLEST = 512  # px of the longer side: a smaller image is enlarged, so that its cells can be seen
LINE_EVERY = 1500  # px of the longer side for each px of a line's width


def draw_overlay(
    image: np.ndarray,
    masks: InstanceMasks | Sequence[dict],
    labels: Sequence[int] | np.ndarray,
    palette: Sequence[Colour],
    names: Sequence[str] = (),
    line_width: int | None = None,
) -> np.ndarray:
    """:func:`draw_contours` for the eye: a tiny image enlarged, lines that scale with it, the classes named below."""
    longest = max(image.shape[:2])
    zoom = max(1, -(-SMALLEST // longest))
    line_width = line_width or max(min(zoom, 3), round(longest / LINE_EVERY))
    drawn = draw_contours(image, masks, labels, palette, line_width, zoom)
    return np.concatenate([drawn, legend(names, palette, drawn.shape[1], max(14, longest // 50))]) if names else drawn


def legend(names: Sequence[str], palette: Sequence[Colour], width: int, size: int) -> np.ndarray:
    """A white strip uint8 (H, ``width``, 3) with a square in its colour before each name, letters of ``size`` px."""
    font, gap = ImageFont.load_default(size), size // 2
    places, x, y = [], gap, gap
    for name in names:
        needed = round(font.getlength(name)) + size + gap
        if x > gap and x + needed > width:
            x, y = gap, y + size + gap
        places.append((x, y))
        x += needed + 2 * gap
    strip = Image.new('RGB', (width, y + size + gap), 'white')
    pen = ImageDraw.Draw(strip)
    for k, ((left, top), name) in enumerate(zip(places, names)):
        colour = tuple(int(c) for c in palette[k % len(palette)])
        pen.rectangle((left, top, left + size - 1, top + size - 1), fill=colour)
        pen.text((left + size + gap, top + size / 2), name, fill='black', font=font, anchor='lm')
    return np.asarray(strip)


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
        masks: N masks of this image, as box masks or as COCO RLEs; of another image size they are refused (ValueError).
        labels: (N,) index into the palette, in the image's channel order; it starts again behind the last colour.
        thickness: Of the line, in px of the drawn image; an even one is drawn as the odd one below.
        zoom: Whole factor by which the image is enlarged before lines are drawn.
    """
    height, width = image.shape[:2]
    if not isinstance(masks, InstanceMasks):
        masks = InstanceMasks.from_rles(masks, height, width)
    if len(masks) and (masks.height, masks.width) != (height, width):
        raise ValueError(
            f'expected masks of the image drawn on, {height} x {width} px, but they are of one of '
            f'{masks.height} x {masks.width} px; draw on the image that they were made for'
        )
    drawn = cv2.resize(image, (width * zoom, height * zoom), interpolation=cv2.INTER_CUBIC) if zoom > 1 else image
    drawn = np.array(drawn, order='C')
    for window, box, label in zip(masks.windows(), masks.boxes.tolist(), np.asarray(labels).tolist(), strict=True):
        if not window.size:
            continue
        window = window.repeat(zoom, 0).repeat(zoom, 1)
        offset = (box[0] * zoom, box[1] * zoom)
        lines, _ = cv2.findContours(window, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=offset)
        # OpenCV draws each step of a contour with round ends: its thickness n makes lines of 2n - 1 px.
        cv2.drawContours(drawn, lines, -1, [int(c) for c in palette[label % len(palette)]], (thickness + 1) // 2)
    return drawn
