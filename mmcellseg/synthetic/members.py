"""Imperfect members made from annotations, to compare fusions where the truth is known.

A member misses, merges and splits cells, shifts and erodes masks, confuses classes, finds cells twice or where
there are none, and scores with its own temperature and bias. ``Imperfection.shared`` is the part of every error's
variance that all members have in common: a hard cell is hard for each of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from ..structures.masks import InstanceMasks
from ..structures.overlaps import candidate_pairs

Window = tuple[np.ndarray, np.ndarray]  # box (4,) xyxy, bitmap (h, w) bool
Found = tuple[Window, int, float]  # a mask, its label, what its score is made of


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
        # Numpy has no quantile of the normal law, so it is read off a table.
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


def _clip(window: Window, height: int, width: int) -> Window:
    box, bitmap = window
    x0, y0, x1, y1 = np.clip(box, 0, [width, height, width, height]).tolist()
    return np.array([x0, y0, x1, y1]), bitmap[y0 - box[1] : y1 - box[1], x0 - box[0] : x1 - box[0]]


def _iou(a: Window, b: Window) -> float:
    x0, y0 = np.maximum(a[0][:2], b[0][:2])
    x1, y1 = np.minimum(a[0][2:], b[0][2:])
    if x1 <= x0 or y1 <= y0:
        return 0.0
    parts = [w[y0 - box[1] : y1 - box[1], x0 - box[0] : x1 - box[0]] for box, w in (a, b)]
    common = np.count_nonzero(parts[0] & parts[1])
    return common / max(np.count_nonzero(a[1]) + np.count_nonzero(b[1]) - common, 1)


def _join(a: Window, b: Window) -> Window:
    low, high = np.minimum(a[0][:2], b[0][:2]), np.maximum(a[0][2:], b[0][2:])
    out = np.zeros((high - low)[::-1], bool)
    for box, bitmap in (a, b):
        (x0, y0), (x1, y1) = box[:2] - low, box[2:] - low
        out[y0:y1, x0:x1] |= bitmap
    return np.concatenate([low, high]), out


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
    draws = _Draws(seed, image_id, member, p.shared)
    number, size = len(masks), (masks.height, masks.width)
    truth = [(box.astype(np.int64), w != 0) for box, w in zip(masks.boxes, masks.windows(), strict=True)]
    root = np.sqrt(np.maximum(masks.areas, 1))
    missed, merged, split, confused, double = (
        draws.happens(rate * errors, number) for rate in (p.missed, p.merged, p.split, p.confused, p.duplicated)
    )
    shift = p.shift * root[:, None, None] * draws.normal(number, 2, 2)
    border = root[:, None] * (p.border * draws.normal(number, 2) - p.erosion)
    noise = p.score_noise * draws.normal(number, 2)
    angle = draws.normal(number) * np.pi
    wrong = draws.common.integers(1, max(len(categories), 2), number)
    others = list(categories)
    i, j = candidate_pairs(masks.boxes + [-1, -1, 1, 1], masks.boxes)
    neighbour = dict(zip(i[i != j].tolist(), j[i != j].tolist(), strict=True))
    found: list[Found] = []
    swallowed: set[int] = set()
    for k in range(number):
        if missed[k] or k in swallowed:
            continue
        label = int(labels[k])
        if confused[k] and len(others) > 1:
            label = others[(others.index(label) + int(wrong[k])) % len(others)]
        shape = truth[k]
        if merged[k] and k in neighbour:
            shape = _join(shape, truth[neighbour[k]])
            swallowed.add(neighbour[k])
        pieces = _halve(shape, float(angle[k])) if split[k] else [shape]
        for copy in range(2 if double[k] and not split[k] else len(pieces)):
            piece = pieces[min(copy, len(pieces) - 1)]
            made = _grow(piece, float(border[k, copy]), shift[k, copy])
            quality = p.score_slope * (_iou(made, truth[k]) - 0.55) + noise[k, copy] - 0.7 * confused[k]
            found.append((made, label, quality - 1.0 * (double[k] and copy)))
    found += _false_positives(truth, labels, size, p, errors, draws)
    return _entries(found, image_id, size, slope, offset, p.lowest_score)


def _false_positives(
    truth: list[Window], labels: np.ndarray, size: tuple[int, int], p: Imperfection, errors: float, draws: _Draws
) -> list[Found]:
    """Cell shapes where they do not belong, at places that are likely to several members."""
    pool = 4 * round(p.false_positives * len(truth)) + 4
    if not truth:
        return []
    shape = draws.common.integers(0, len(truth), pool)
    place = draws.common.random((pool, 2))
    taken = draws.happens(p.false_positives * errors * len(truth) / pool, pool)
    jitter, noise = draws.normal(pool, 2), p.score_noise * draws.normal(pool)
    out: list[Found] = []
    for n in np.flatnonzero(taken).tolist():
        box, bitmap = truth[shape[n]]
        extent = (box[2:] - box[:2]).astype(float)
        corner = place[n] * (np.array(size[::-1]) - extent) + 0.08 * extent * jitter[n]
        at = np.rint(corner).astype(np.int64)
        made = (np.concatenate([at, at + box[2:] - box[:2]]), bitmap)
        out.append((made, int(labels[shape[n]]), float(noise[n]) - 1.0))
    return out


def _entries(
    found: list[Found], image_id: int, size: tuple[int, int], slope: float, offset: float, lowest: float
) -> list[dict[str, Any]]:
    clipped = [_clip(window, *size) for window, _, _ in found]
    boxes = np.array([box for box, _ in clipped], np.int32).reshape(-1, 4)
    masks = InstanceMasks.from_windows(boxes, [w.astype(np.uint8) for _, w in clipped], *size)
    tight: np.ndarray = masks.tight_boxes().astype(np.float64)
    tight[:, 2:] -= tight[:, :2]
    scores: np.ndarray = 1 / (1 + np.exp(-(slope * np.array([quality for _, _, quality in found]) + offset)))
    labels = [label for _, label, _ in found]
    bboxes = tight.tolist()
    return [
        {'image_id': image_id, 'bbox': box, 'score': score, 'category_id': label, 'segmentation': rle}
        for box, score, label, rle in zip(bboxes, scores.tolist(), labels, masks.to_rles(), strict=True)
        if box[2] > 0 and score >= lowest
    ]


def simulate_members(
    truth: Mapping[int, tuple[InstanceMasks, np.ndarray]],
    categories: Sequence[int],
    number: int = 17,
    seed: int = 0,
    imperfection: Imperfection | None = None,
) -> list[list[dict[str, Any]]]:
    """The entries of ``number`` members over all images: image id → (masks, labels (N,))."""
    return [
        [
            entry
            for image_id, (masks, labels) in truth.items()
            for entry in simulate_image(masks, labels, categories, image_id, member, seed, imperfection)
        ]
        for member in range(number)
    ]
