"""Imperfect members made from annotations, to compare fusions where the truth is known.

A member misses, merges and splits cells, shifts and erodes masks, confuses classes, finds cells twice or where
there are none, and scores with its own temperature and bias. ``Imperfection.shared`` is the part of every error's
variance that all members have in common: a hard cell is hard for each of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from ..structures.masks import InstanceMasks
from ..structures.overlaps import candidate_pairs, mask_iou_pairs, union

Window = tuple[np.ndarray, np.ndarray]  # box (4,) xyxy, bitmap (h, w) bool


@dataclass(frozen=True)
class Imperfection:
    """How imperfect the members are. Rates are shares of the cells, lengths shares of the root of a cell's area.

    These numbers were fixed before any fusion was compared on them, so that a member reaches what single
    models are known to reach (AP50 of 0.35 to 0.5).
    """

    shared: float = 0.5
    missed: float = 0.25
    merged: float = 0.06
    split: float = 0.06
    confused: float = 0.15
    duplicated: float = 0.06
    false_positives: float = 0.2
    shift: float = 0.08
    border: float = 0.05
    erosion: float = 0.04
    skill: float = 0.25  # spread of the logarithm of a member's error rates
    score_slope: float = 4.0  # how strongly the IoU shows in the score
    score_noise: float = 1.0
    temperature: float = 0.5  # spread of the logarithm of the slope of a member's scores
    bias: float = 0.8  # spread of the offset of a member's scores
    lowest_score: float = 0.05


class _Draws:
    """Normal numbers of which a part is common to all members."""

    def __init__(self, seed: int, image_id: int, member: int, shared: float) -> None:
        self.common = np.random.default_rng([seed, image_id])
        self.own = np.random.default_rng([seed, image_id, member + 1])
        self.parts = (np.sqrt(shared), np.sqrt(1 - shared))

    def normal(self, *shape: int) -> np.ndarray:
        return self.parts[0] * self.common.standard_normal(shape) + self.parts[1] * self.own.standard_normal(shape)

    def happens(self, rate: float, *shape: int) -> np.ndarray:
        """Events of a probability: the normal number lies in that tail."""
        tail = np.clip(rate, 1e-9, 1 - 1e-9)
        return self.normal(*shape) < np.interp(tail, _PROBABILITY, _QUANTILE)


_QUANTILE = np.linspace(-6, 6, 2401)
_PROBABILITY = np.cumsum(np.exp(-(_QUANTILE**2) / 2))
_PROBABILITY /= _PROBABILITY[-1]


def _grow(window: Window, px: float, shift: Sequence[float]) -> Window:
    """A mask moved by ``shift`` (x, y) px and grown by ``px`` (shrunk below 0), which may leave the image."""
    box, bitmap = window
    margin = int(np.ceil(max(px, 0))) + 1
    padded = np.pad(bitmap, margin).astype(np.uint8)
    if px >= 0:
        grown = cv2.distanceTransform(1 - padded, cv2.DIST_L2, 3) <= px
    else:
        grown = cv2.distanceTransform(padded, cv2.DIST_L2, 3) > -px
    moved = np.tile(np.rint(shift).astype(np.int64), 2)
    return box + moved + np.array([-margin, -margin, margin, margin]), grown


def _halve(window: Window, angle: float) -> list[Window]:
    box, bitmap = window
    y, x = np.mgrid[: bitmap.shape[0], : bitmap.shape[1]]
    ys, xs = np.nonzero(bitmap)
    side = (x - xs.mean()) * np.cos(angle) + (y - ys.mean()) * np.sin(angle) > 0
    return [(box, bitmap & side), (box, bitmap & ~side)]


def simulate_image(
    masks: InstanceMasks,
    labels: np.ndarray,
    categories: Sequence[int],
    image_id: int,
    member: int,
    seed: int = 0,
    imperfection: Imperfection | None = None,
) -> list[dict[str, Any]]:
    """One member's entries of one image, from its true masks and labels (N,)."""
    p = imperfection or Imperfection()
    traits = np.random.default_rng([seed, member + 1]).standard_normal(3)  # of the member, on all images
    errors = np.exp(p.skill * traits[0])
    slope, offset = np.exp(p.temperature * traits[1]), p.bias * traits[2]
    draws, number, others = _Draws(seed, image_id, member, p.shared), len(masks), list(categories)
    root = np.sqrt(np.maximum(masks.areas, 1))
    missed, merged, split, confused, double = (
        draws.happens(rate * errors, number) for rate in (p.missed, p.merged, p.split, p.confused, p.duplicated)
    )
    shift = p.shift * root[:, None, None] * draws.normal(number, 2, 2)
    border = root[:, None] * (p.border * draws.normal(number, 2) - p.erosion)
    noise = p.score_noise * draws.normal(number, 2)
    angle = draws.normal(number) * np.pi
    wrong = draws.common.integers(1, max(len(categories), 2), number)
    i, j = candidate_pairs(masks.boxes + [-1, -1, 1, 1], masks.boxes)
    neighbour = dict(zip(i[i != j].tolist(), j[i != j].tolist(), strict=True))
    found: list[tuple[Window, int, int, int]] = []  # a mask, its label, its cell, and which of the cell's it is
    swallowed: set[int] = set()
    for k in range(number):
        if missed[k] or k in swallowed:
            continue
        label = int(labels[k])
        if confused[k] and len(others) > 1:
            label = others[(others.index(label) + int(wrong[k])) % len(others)]
        shape = masks[k]
        if merged[k] and k in neighbour:
            shape = union(masks, [[k, neighbour[k]]])
            swallowed.add(neighbour[k])
        window = (shape.boxes[0].astype(np.int64), shape.window(0) != 0)
        pieces = _halve(window, float(angle[k])) if split[k] else [window] * (2 if double[k] else 1)
        for copy, piece in enumerate(pieces):
            found.append((_grow(piece, float(border[k, copy]), shift[k, copy]), label, k, copy))
    strays = _false_positives(masks, labels, p, errors, draws)
    made, tight, iou = _in_image([w for w, *_ in found] + [w for w, *_ in strays], masks, [k for *_, k, _ in found])
    cell, which = np.array([made_of[2:] for made_of in found], np.int64).reshape(-1, 2).T
    quality = p.score_slope * (iou - 0.55) + noise[cell, which] - 0.7 * confused[cell] - 1.0 * double[cell] * which
    quality = np.append(quality, [quality for *_, quality in strays])
    scores: np.ndarray = 1 / (1 + np.exp(-(slope * quality + offset)))
    given = [label for _, label, *_ in found] + [label for _, label, _ in strays]
    return [
        {'image_id': image_id, 'bbox': box, 'score': score, 'category_id': label, 'segmentation': rle}
        for box, score, label, rle in zip(tight.tolist(), scores.tolist(), given, made.to_rles(), strict=True)
        if box[2] > 0 and score >= p.lowest_score
    ]


def _false_positives(
    masks: InstanceMasks, labels: np.ndarray, p: Imperfection, errors: float, draws: _Draws
) -> list[tuple[Window, int, float]]:
    """Cell shapes where they do not belong, at places that are likely to several members; with label and quality."""
    if not len(masks):
        return []
    pool = 4 * round(p.false_positives * len(masks)) + 4
    shape = draws.common.integers(0, len(masks), pool)
    place = draws.common.random((pool, 2))
    taken = draws.happens(p.false_positives * errors * len(masks) / pool, pool)
    jitter, noise = draws.normal(pool, 2), p.score_noise * draws.normal(pool)
    out = []
    for n in np.flatnonzero(taken).tolist():
        extent = (masks.boxes[shape[n], 2:] - masks.boxes[shape[n], :2]).astype(np.int64)
        corner = place[n] * (np.array([masks.width, masks.height]) - extent) + 0.08 * extent * jitter[n]
        at = np.rint(corner).astype(np.int64)
        window = (np.concatenate([at, at + extent]), masks.window(shape[n]) != 0)
        out.append((window, int(labels[shape[n]]), float(noise[n]) - 1.0))
    return out


def _in_image(
    windows: list[Window], truth: InstanceMasks, cells: list[int]
) -> tuple[InstanceMasks, np.ndarray, np.ndarray]:
    """Masks that may leave the image cut to it, their boxes xywh, and the IoU of the first of them with their cells."""
    boxes = np.array([box for box, _ in windows], np.int64).reshape(-1, 4)
    around = int(max(0, -boxes.min(initial=0), (boxes[:, 2:] - [truth.width, truth.height]).max(initial=0)))
    size = (truth.height + 2 * around, truth.width + 2 * around)
    framed = InstanceMasks.from_windows(boxes + around, [window for _, window in windows], *size)
    i, j, values = mask_iou_pairs(framed[: len(cells)], truth.expand(*size, around, around))
    own = np.array(cells, np.int64)[i] == j
    iou = np.zeros(len(cells))
    iou[i[own]] = values[own]
    inside = framed.crop(np.array([0, 0, truth.width, truth.height]) + around)
    tight = inside.tight_boxes().astype(np.float64)
    tight[:, 2:] -= tight[:, :2]
    return inside, tight, iou
