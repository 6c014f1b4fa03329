"""How well a set of anchors covers the cells: the best IoU that any anchor has with each box.

Widths, heights and strides are pixels of the network's input.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

IOU_THRESHOLDS = (0.5, 0.7)
SIDE_EDGES = (8, 16, 32, 64)  # px, square root of the box area


class Anchors(NamedTuple):
    """Anchors: at every point (i · stride, j · stride) of their level's map lies the centre of each."""

    shapes: np.ndarray  # (A, 2) width and height
    strides: np.ndarray  # (A,)


class Suggestion(NamedTuple):
    """A config's ``scales`` and ``ratios``, with their recall at the thresholds and their mean best IoU."""

    scales: list[float]
    ratios: list[float]
    recall: list[float]
    mean_iou: float


def make_anchors(scales: Sequence[float], ratios: Sequence[float], strides: Sequence[float]) -> Anchors:
    """The anchors of MMDetection's AnchorGenerator: side = scale × stride, ratio = height / width, area kept."""
    stride, ratio, scale = np.array(list(itertools.product(strides, ratios, scales)), np.float64).T
    return Anchors(np.stack([scale * stride / ratio**0.5, scale * stride * ratio**0.5], axis=1), stride)


def best_ious(boxes: np.ndarray, sizes: np.ndarray, anchors: Anchors) -> np.ndarray:
    """The largest IoU (N,) of each box (N, 4) xyxy with any anchor of its image.

    Along each axis the overlap of a box with an anchor of given size falls with the distance of their centres, so the
    best place is the point of the map nearest to the box's centre: no anchor but that one needs to be looked at.
    ``sizes``: (N, 2) width and height of each box's image as the network sees it, padding included.
    """
    centres, extents = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    areas, best = extents.prod(1), np.zeros(len(boxes))
    for shape, stride in zip(anchors.shapes, anchors.strides, strict=True):
        last = np.ceil(sizes / stride) - 1
        places = np.clip(np.round(centres / stride), 0, last) * stride
        low = np.maximum(boxes[:, :2], places - shape / 2)
        high = np.minimum(boxes[:, 2:], places + shape / 2)
        overlap = np.maximum(high - low, 0).prod(1)
        best = np.maximum(best, overlap / (areas + shape.prod() - overlap))
    return best


def resized(size: tuple[int, int], pipeline: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Width and height of an image after the pipeline's Resize, if it has one, rounded as MMCV does."""
    for step in (step for step in pipeline if step.get('type') == 'Resize'):
        factor = step.get('scale_factor')
        if factor is None:
            scale = step['scale']
            if not step.get('keep_ratio'):
                size = (scale[0], scale[1])
                continue
            factor = min(max(scale) / max(size), min(scale) / min(size))
        width, height = (factor, factor) if isinstance(factor, int | float) else (factor[0], factor[1])
        size = int(size[0] * float(width) + 0.5), int(size[1] * float(height) + 0.5)
    return size


def boxes_as_seen(
    coco: Mapping[str, Any], pipeline: Sequence[Mapping[str, Any]], divisor: int
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (N, 4) xyxy of the cells of a COCO json and their images' padded sizes (N, 2), in px of the network's
    input. Crowd regions and boxes without an area are left out."""
    old = {image['id']: (image['width'], image['height']) for image in coco['images']}
    new = {i: resized(size, pipeline) for i, size in old.items()}
    cells = [a for a in coco.get('annotations') or [] if not a.get('iscrowd', 0) and min(a['bbox'][2:]) > 0]
    xywh = np.array([a['bbox'] for a in cells], np.float64).reshape(-1, 4)
    seen = np.array([new[a['image_id']] for a in cells], np.float64).reshape(-1, 2)
    factor = seen / np.array([old[a['image_id']] for a in cells], np.float64).reshape(-1, 2)
    boxes = np.concatenate([xywh[:, :2] * factor, (xywh[:, :2] + xywh[:, 2:]) * factor], axis=1)
    return boxes, np.ceil(seen / divisor) * divisor


def _measured(ious: np.ndarray) -> tuple[list[float], float]:
    """Recall at each of IOU_THRESHOLDS and the mean best IoU; NaN where there is no box."""
    if not len(ious):
        return [np.nan] * len(IOU_THRESHOLDS), np.nan
    return [float((ious >= threshold).mean()) for threshold in IOU_THRESHOLDS], float(ious.mean())


def recall_by_side(boxes: np.ndarray, ious: np.ndarray) -> list[tuple[str, int, list[float], float]]:
    """Rows (band, boxes, recall at each of IOU_THRESHOLDS, mean best IoU), one a band of sides, then all together."""
    sides = np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(1))
    rows = []
    for low, high in [*itertools.pairwise((0, *SIDE_EDGES, np.inf)), (0, None)]:
        name = 'all' if high is None else f'{low}-{high}' if high < np.inf else f'{low}+'
        found = ious if high is None else ious[(sides >= low) & (sides < high)]
        rows.append((name, len(found), *_measured(found)))
    return rows


def ratio_quantiles(boxes: np.ndarray) -> list[float]:
    """Height / width that 10, 50 and 90 % of the boxes stay below, to one decimal."""
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    return [round(float(q), 1) for q in np.quantile(height / width, (0.1, 0.5, 0.9))]


def measure(
    boxes: np.ndarray, sizes: np.ndarray, strides: Sequence[float], scales: Sequence[float], ratios: Sequence[float]
) -> Suggestion:
    """What :func:`best_ious` finds for one set of scales and ratios."""
    found = _measured(best_ious(boxes, sizes, make_anchors(scales, ratios, strides)))
    return Suggestion(list(scales), list(ratios), *found)


def best_named(
    boxes: np.ndarray, sizes: np.ndarray, strides: Sequence[float], sets: Mapping[str, Mapping[str, Sequence[float]]]
) -> tuple[str, Suggestion] | None:
    """Of named sets (their ``scales``, ``ratios`` and ``strides``) with these strides the one of the best mean IoU,
    the first of equals; None if no set has these strides."""
    fitting = {name: one for name, one in sets.items() if list(one['strides']) == list(strides)}
    measured = [(name, measure(boxes, sizes, strides, s['scales'], s['ratios'])) for name, s in fitting.items()]
    return max(measured, key=lambda found: round(found[1].mean_iou, 4), default=None)


def suggest(
    boxes: np.ndarray, sizes: np.ndarray, strides: Sequence[float], ratios: Iterable[Sequence[float]]
) -> list[Suggestion]:
    """The best set with one and the best with two scales a level, by mean best IoU; ties go to fewer, smaller ones.

    Tried are scales from 1 to 8 in half octaves, with each of ``ratios``.
    """
    steps = [round(2 ** (k / 2), 2) for k in range(7)]
    best = []
    for several in ([[s] for s in steps], [[s, round(s * 2**0.5, 2)] for s in steps]):
        tried = [measure(boxes, sizes, strides, scales, shape) for scales, shape in itertools.product(several, ratios)]
        best.append(max(tried, key=lambda s: round(s.mean_iou, 4)))
    return best
