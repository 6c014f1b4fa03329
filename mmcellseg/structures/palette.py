"""Colours of classes."""

import colorsys
from collections.abc import Iterable

Colour = tuple[int, int, int]

PALETTE: list[Colour] = [(230, 60, 60), (60, 120, 230), (250, 200, 40), (60, 190, 90)]


def extended(palette: Iterable[Colour], number: int) -> list[Colour]:
    """The palette with as many more colours (RGB, 0 to 255) as ``number`` of classes need."""
    palette = [(red, green, blue) for red, green, blue in palette]
    for k in range(len(palette), number):
        # Steps of the golden ratio keep any number of hues apart.
        red, green, blue = colorsys.hsv_to_rgb((0.1 + 0.618 * k) % 1, 0.75, 0.9)
        palette.append((round(255 * red), round(255 * green), round(255 * blue)))
    return palette
