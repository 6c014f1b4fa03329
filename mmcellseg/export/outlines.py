"""Masks to polygons along pixel edges, for many masks at once in numpy.

A polygon's corners are corners of pixels, (0, 0) the image's own: the pixel of column x and row y is the square from
(x, y) to (x + 1, y + 1). Pixels that touch by a corner only are no neighbours: they become polygons that meet in a
point, which is what makes every polygon valid (OGC 06-103r4: simple rings, an interior in one piece).
"""

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from ..structures.masks import InstanceMasks
from ..structures.ragged import batches, offsets, ragged_arange

_CANVAS = 1 << 21  # px of windows that are traced at once; about 50 MB


class Outlines(NamedTuple):
    """The rings of N masks, those of a mask together: each outer ring is followed by the rings of its holes.

    Rings are not closed (the first vertex is not repeated). With y down, as on a screen, outer rings run clockwise
    and holes the other way round: what RFC 7946 asks for.
    """

    vertices: np.ndarray  # (V, 2) int32 xy, the corners of all rings end to end
    starts: np.ndarray  # (R + 1,) int64, where each ring begins
    owner: np.ndarray  # (R,) int64 ascending, index of the ring's mask
    hole: np.ndarray  # (R,) bool


@lru_cache(maxsize=1)  # several writers take the same batch one after the other
def trace(masks: InstanceMasks) -> Outlines:
    """The outlines of all masks; a mask without pixels has none."""
    sizes = (masks.boxes[:, 2:] - masks.boxes[:, :2]).astype(np.int64)
    # Windows of one width lie below each other with little space lost.
    by_width = np.argsort(sizes[:, 0], kind='stable')
    by_width = by_width[np.diff(masks.starts)[by_width] > 0]
    parts = [_trace(masks, by_width[part]) for part in batches((sizes[by_width] + 2).prod(1), _CANVAS)]
    if not parts:
        return Outlines(np.zeros((0, 2), np.int32), np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros(0, bool))
    vertices, lengths, owner, piece, hole = (np.concatenate(arrays) for arrays in zip(*parts))
    order = np.lexsort((hole, piece, owner))
    moved = ragged_arange(lengths[order]) + np.repeat(offsets(lengths)[order], lengths[order])
    return Outlines(vertices[moved], offsets(lengths[order]), owner[order], hole[order])


def _trace(masks: InstanceMasks, chosen: np.ndarray) -> tuple[np.ndarray, ...]:
    """Rings of some masks: vertices, and of each ring its length, mask, piece of the mask, and whether it is a hole.

    Corners lie in pairs on each horizontal and on each vertical line. A ring alternates between both kinds of pair.
    """
    boxes = masks.boxes[chosen].astype(np.int64)
    lines = boxes[:, 3] - boxes[:, 1] + 1  # lines between rows of pixels
    first = offsets(lines)
    width = int((boxes[:, 2] - boxes[:, 0]).max()) + 2
    canvas = np.zeros((first[-1] + 1, width), bool)
    for window, y in zip(masks.windows(chosen), first.tolist()):
        canvas[y + 1 : y + 1 + len(window), 1 : 1 + window.shape[1]] = window
    # A corner has the place of the pixel to its upper left. No mask has pixels in the first and the last column.
    pixels = canvas.ravel()
    edge = pixels[:-width] ^ pixels[width:]
    crossing = edge[:-1] & edge[1:] & (pixels[:-width][:-1] ^ pixels[:-width][1:])  # two pixels touch by a corner
    flat = np.flatnonzero((edge[:-1] ^ edge[1:]) | crossing)
    flat = np.repeat(flat, 1 + crossing[flat])  # two corners: one ends the line from the left, one begins
    y, x = np.divmod(flat, width)
    across = np.empty(len(flat), np.int64)
    by_column = np.argsort(x.astype(np.uint16 if width < 1 << 16 else np.int64), kind='stable')
    across[by_column[0::2]], across[by_column[1::2]] = by_column[1::2], by_column[0::2]

    # A segment is a horizontal pair. It runs to the right where the mask is below it.
    right = pixels[flat[0::2] + width + 1]
    source = np.arange(0, len(flat), 2) + ~right
    target = source ^ 1
    twin = np.flatnonzero(flat[:-1] == flat[1:])  # the first of two corners at one place
    # Both lines that end at it, to the left and up, belong to one pixel only if that pixel is of the mask.
    across = _exchange(across, twin[~pixels[flat[twin]]])
    ring = _cycles(across[target] >> 1)
    touching = twin[ring[twin >> 1] == ring[(twin + 1) >> 1]]
    if len(touching):  # a ring that meets itself is two rings
        across = _exchange(across, touching)
        ring = _cycles(across[target] >> 1)
    order, lengths = _walk(across[target] >> 1, ring)
    source, target = source[order], target[order]

    owner = np.repeat(np.arange(len(chosen)), lines)[y[source]]
    vertices = np.empty((len(source), 2, 2), np.int32)  # both ends of each segment
    vertices[:, 0, 0], vertices[:, 1, 0] = boxes[owner, 0] + x[source], boxes[owner, 0] + x[target]
    vertices[:, :, 1] = ((boxes[:, 1] - first[:-1])[owner] + y[source])[:, None]
    begins = offsets(lengths)[:-1]
    owner = owner[begins]
    hole = np.add.reduceat(y[source] * (x[source] - x[target]), begins) < 0  # twice nothing: the signed area
    piece = np.zeros(len(begins), np.int64)
    shells = np.bincount(owner[~hole], minlength=len(chosen))
    for k in np.flatnonzero((shells > 1) & (np.bincount(owner, minlength=len(chosen)) > shells)).tolist():
        rings = np.flatnonzero(owner == k)  # several pieces, and holes: whose are they?
        labels = cv2.connectedComponents((masks.window(int(chosen[k])) != 0).astype(np.uint8), connectivity=4)[1]
        a, b = source[begins[rings]], target[begins[rings]]
        piece[rings] = labels[y[a] - first[k] - (x[a] > x[b]), np.minimum(x[a], x[b])]
    return vertices.reshape(-1, 2), 2 * lengths, chosen[owner], piece, hole


def _exchange(across: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Exchange the vertical lines of the corners ``first`` with those of the corners after them."""
    swap = np.arange(len(across))
    swap[first], swap[first + 1] = first + 1, first
    return swap[across[swap]]


def _cycles(following: np.ndarray) -> np.ndarray:
    """The least member of each element's cycle, by doubling of steps (Hillis and Steele 1986)."""
    least, jump = np.arange(len(following)), following
    while True:
        lower = np.minimum(least, least[jump])
        if np.array_equal(lower, least):
            return least
        least, jump = lower, jump[jump]


def _walk(following: np.ndarray, cycle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The elements cycle by cycle, each from its least member on, and the lengths of the cycles."""
    root = cycle == np.arange(len(cycle))
    last = root[following]
    left = (~last).astype(np.int64)  # steps to the end of the cycle
    jump = np.where(last, np.arange(len(cycle)), following)
    while (more := left[jump]).any():
        left += more
        jump = jump[jump]
    lengths = left[root] + 1
    ends = np.zeros(len(cycle), np.int64)
    ends[root] = np.cumsum(lengths)
    order = np.empty(len(cycle), np.int64)
    order[ends[cycle] - 1 - left] = np.arange(len(cycle))
    return order, lengths
