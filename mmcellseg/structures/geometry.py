"""Crop, move, mirror and nearest-neighbour resizing of box-local windows.

Each function takes and returns windows as ``boxes`` (N, 4) int32 half-open xyxy and a list of their (h, w)
bitmaps. Their cost grows with the cells' own pixels, never with the image.
"""

import cv2
import numpy as np

from .ragged import offsets

Windows = tuple[np.ndarray, list[np.ndarray]]


def pack(boxes: np.ndarray, windows: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes (N, 4) int32 (all zeros where the window is empty), starts (N + 1,) int64 and flat uint8 bits."""
    boxes = np.asarray(boxes, np.int32).reshape(-1, 4).copy()
    starts = offsets(np.fromiter((w.size for w in windows), np.int64, len(windows)))
    boxes[np.diff(starts) == 0] = 0
    flat = [w.ravel() for w in windows if w.size]
    return boxes, starts, np.concatenate(flat) if flat else np.zeros(0, np.uint8)


def tight(boxes: np.ndarray, windows: list[np.ndarray]) -> Windows:
    """The same masks in the smallest boxes; zeros for an empty mask."""
    out, pieces = np.zeros((len(boxes), 4), np.int32), []
    for box, (x, y), window in zip(out, boxes[:, :2].tolist(), windows):
        rows, cols = np.flatnonzero(window.any(axis=1)), np.flatnonzero(window.any(axis=0))
        if len(rows):
            box[:] = x + cols[0], y + rows[0], x + cols[-1] + 1, y + rows[-1] + 1
            pieces.append(window[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1])
        else:
            pieces.append(window[:0, :0])
    return out, pieces


def label_map_windows(label_map: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Ids (N,) int64, boxes, starts and bits of a label map (H, W), see ``InstanceMasks.from_label_map``."""
    width = max(label_map.shape[1], 1)
    # Row by row in runs of one value: some forty times fewer than there are pixels.
    flat = np.ascontiguousarray(label_map).ravel()
    begins = np.ones(flat.size, bool)
    begins[1:] = flat[1:] != flat[:-1]
    begins[::width] = True
    start = np.flatnonzero(begins)
    length = np.diff(start, append=flat.size)
    runs = np.flatnonzero(flat[start])
    start, length = start[runs], length[runs]
    values = flat[start]
    with np.errstate(invalid='ignore'):
        labels = values.astype(np.int64)
    wrong = (labels != values) | (labels < 0)
    if wrong.any():
        raise ValueError(f'label map: expected whole numbers from 0 up, found {values[wrong][0]}')
    ids, owner = np.unique(labels, return_inverse=True)
    y, x = np.divmod(start, width)
    boxes = np.empty((4, len(ids)), np.int64)
    boxes[:2], boxes[2:] = max(*label_map.shape, 1), 0
    for side, merge, coordinate in zip(boxes, [np.minimum] * 2 + [np.maximum] * 2, (x, y, x + length, y + 1)):
        merge.at(side, owner, coordinate)
    wide = boxes[2] - boxes[0]
    starts = offsets(wide * (boxes[3] - boxes[1]))
    first = starts[owner] + (y - boxes[1, owner]) * wide[owner] + x - boxes[0, owner]
    change = np.zeros(starts[-1] + 1, np.int8)
    change[first] += 1
    change[first + length] -= 1
    return ids, boxes.T, starts, np.cumsum(change[:-1], dtype=np.int8).view(np.uint8)


def crop(boxes: np.ndarray, windows: list[np.ndarray], region: tuple[int, int, int, int]) -> Windows:
    """What lies inside ``region`` xyxy, in the region's coordinates."""
    x1, y1, x2, y2 = region
    clipped = np.empty_like(boxes)
    clipped[:, 0::2] = np.clip(boxes[:, 0::2], x1, x2)
    clipped[:, 1::2] = np.clip(boxes[:, 1::2], y1, y2)
    cut = clipped - np.tile(boxes[:, :2], 2)
    pieces = [w[b:d, a:c] for w, (a, b, c, d) in zip(windows, cut.tolist())]
    return clipped - np.array([x1, y1, x1, y1], np.int32), pieces


def flip(boxes: np.ndarray, windows: list[np.ndarray], height: int, width: int, direction: str) -> Windows:
    """Mirror horizontally, vertically or (``diagonal``) both."""
    boxes = boxes.copy()
    rows = cols = slice(None)
    if direction in ('horizontal', 'diagonal'):
        boxes[:, 0::2] = width - boxes[:, 2::-2]
        cols = slice(None, None, -1)
    if direction in ('vertical', 'diagonal'):
        boxes[:, 1::2] = height - boxes[:, 3::-2]
        rows = slice(None, None, -1)
    return boxes, [w[rows, cols] for w in windows]


def resize_nearest(boxes: np.ndarray, windows: list[np.ndarray], old: tuple[int, int], new: tuple[int, int]) -> Windows:
    """Resize from ``old`` to ``new`` (h, w) by repeating and leaving out rows and columns.

    Which source row a row comes from is read off a ruler that OpenCV resizes, so that its rounding
    is ours. The ruler never descends, hence a window's rows stay together.
    """
    rows = cv2.resize(np.arange(old[0], dtype=np.float32)[:, None], (1, new[0]), interpolation=cv2.INTER_NEAREST)
    cols = cv2.resize(np.arange(old[1], dtype=np.float32)[None], (new[1], 1), interpolation=cv2.INTER_NEAREST)
    rows, cols = rows.reshape(-1).astype(np.int64), cols.reshape(-1).astype(np.int64)
    out = np.empty_like(boxes)
    out[:, 0::2] = np.searchsorted(cols, boxes[:, 0::2])
    out[:, 1::2] = np.searchsorted(rows, boxes[:, 1::2])
    resized = [
        w.take(rows[b:d] - y, axis=0).take(cols[a:c] - x, axis=1)
        for w, (a, b, c, d), (x, y) in zip(windows, out.tolist(), boxes[:, :2].tolist())
    ]
    return out, resized


def refuse_border(name: str, value: float) -> None:
    """Raise ValueError for a border that would make every window as large as the image."""
    if value:
        raise ValueError(
            f'masks in boxes: expected {name}=0, found {value!r}; with any other value every mask is as large as the '
            'image, so use .to_bitmap() for it'
        )
