"""Instance masks of which each is a small bitmap, its window, with its place in the image.

Their cost grows with the cells' own pixels, never with the image.
"""

from collections.abc import Iterator, Sequence
from typing import Self

import cv2
import numpy as np

from . import rle
from .ragged import offsets


class InstanceMasks:
    """Instance masks that take memory for their own boxes only.

    They never change once they are made; results may share their bits.

    Args:
        height, width: Size of the image in px.
        boxes: (N, 4) xyxy, half-open windows inside the image. They hold the masks' foreground and need not be
            tight; an empty window is all zeros.
        starts: (N + 1,) int64, where each window begins in ``bits``.
        bits: uint8 (K,), the windows row by row, end to end.
    """

    def __init__(self, height: int, width: int, boxes: np.ndarray, starts: np.ndarray, bits: np.ndarray):
        self.height = int(height)
        self.width = int(width)
        self.boxes = np.asarray(boxes, np.int32).reshape(-1, 4)
        self.starts = np.asarray(starts, np.int64)
        self.bits = np.asarray(bits, np.uint8)

    @classmethod
    def from_windows(cls, boxes: np.ndarray, windows: Sequence[np.ndarray], height: int, width: int) -> Self:
        """From boxes (N, 4) xyxy inside the image and their (h, w) bitmaps."""
        starts = offsets(np.fromiter((w.size for w in windows), np.int64, len(windows)))
        boxes = np.where(np.diff(starts)[:, None] > 0, np.asarray(boxes).reshape(-1, 4), 0)
        flat = [w.ravel() for w in windows if w.size]
        return cls(height, width, boxes, starts, np.concatenate(flat) if flat else np.zeros(0, np.uint8))

    @classmethod
    def from_rles(cls, rles: Sequence[dict], height: int, width: int) -> Self:
        """From COCO RLEs (``counts`` str, bytes or list of ints); ``ValueError`` names a malformed one by its index."""
        counts, splits = rle.read_rles(rles, height, width)
        return cls(height, width, *rle.counts_to_windows(counts, splits, height))

    @classmethod
    def from_bitmaps(cls, bitmaps: np.ndarray) -> Self:
        """From an array (N, H, W); any value but 0 and 1 is kept as uint8 keeps it."""
        number, height, width = bitmaps.shape
        boxes, windows = _tight(np.tile([0, 0, width, height], (number, 1)), list(bitmaps))
        return cls.from_windows(boxes, [w.astype(np.uint8) for w in windows], height, width)

    @classmethod
    def from_label_map(cls, label_map: np.ndarray) -> tuple[np.ndarray, Self]:
        """The ids (N,) int64, ascending, of a label map (H, W) of whole numbers, 0 is background, and their masks."""
        height, width = label_map.shape
        # Row by row in runs of one value: some forty times fewer than there are pixels.
        flat = np.ascontiguousarray(label_map).ravel()
        begins = np.ones(flat.size, bool)
        begins[1:] = flat[1:] != flat[:-1]
        begins[:: max(width, 1)] = True
        start = np.flatnonzero(begins)
        length = np.diff(start, append=flat.size)
        runs = np.flatnonzero(flat[start])
        start, length = start[runs], length[runs]
        ids, owner = np.unique(flat[start].astype(np.int64), return_inverse=True)
        y, x = np.divmod(start, max(width, 1))
        boxes = np.empty((4, len(ids)), np.int64)
        boxes[:2], boxes[2:] = max(height, width), 0
        for side, merge, coordinate in zip(boxes, [np.minimum] * 2 + [np.maximum] * 2, (x, y, x + length, y + 1)):
            merge.at(side, owner, coordinate)
        wide = boxes[2] - boxes[0]
        starts = offsets(wide * (boxes[3] - boxes[1]))
        first = starts[owner] + (y - boxes[1, owner]) * wide[owner] + x - boxes[0, owner]
        return ids, cls(height, width, boxes.T, starts, rle.fill_runs(first, length, starts[-1]))

    def to_rles(self) -> list[dict]:
        """COCO RLEs, equal to pycocotools' byte for byte: ``[{'size': [h, w], 'counts': bytes}, …]``."""
        counts = rle.windows_to_counts(self.boxes, self.starts, self.bits, self.height, self.width)
        return [{'size': [self.height, self.width], 'counts': text} for text in rle.counts_to_strings(*counts)]

    def to_ndarray(self) -> np.ndarray:
        """Full bitmaps (N, H, W) uint8."""
        out = np.zeros((len(self), self.height, self.width), np.uint8)
        for bitmap, (x1, y1, x2, y2), window in zip(out, self.boxes.tolist(), self.windows()):
            bitmap[y1:y2, x1:x2] = window
        return out

    def window(self, index: int) -> np.ndarray:
        """View (h, w) uint8 of one mask inside its box."""
        return self.windows([index])[0]

    def windows(self, indices=slice(None)) -> list[np.ndarray]:
        """Views (h, w) uint8 of all masks, or those of a slice or an int array, inside their boxes."""
        begins, ends = self.starts[:-1][indices].tolist(), self.starts[1:][indices].tolist()
        x1, y1, x2, y2 = self.boxes[indices].T
        shapes = zip((y2 - y1).tolist(), (x2 - x1).tolist())
        return [self.bits[begin:end].reshape(shape) for begin, end, shape in zip(begins, ends, shapes)]

    def __len__(self) -> int:
        return len(self.boxes)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(num_masks={len(self)}, height={self.height}, width={self.width})'

    def __iter__(self) -> Iterator[np.ndarray]:
        """Full-size bitmaps (H, W), one at a time."""
        return (self[i].to_ndarray()[0] for i in range(len(self)))

    def __getitem__(self, index) -> Self:
        """Masks of an int, slice, bool or int array; always masks of this class."""
        if isinstance(index, list) and not index:
            index = slice(0)
        chosen = np.arange(len(self))[index].reshape(-1)
        return self.from_windows(self.boxes[chosen], self.windows(chosen), self.height, self.width)

    @classmethod
    def cat(cls, masks: Sequence[Self]) -> Self:
        """Join masks of one image size."""
        sizes = {(m.height, m.width) for m in masks}
        if len(sizes) != 1:
            raise ValueError(f'expected masks of one image size (h, w), found {sorted(sizes)}')
        starts = offsets(np.concatenate([np.diff(m.starts) for m in masks]))
        bits = np.concatenate([m.bits[m.starts[0] : m.starts[-1]] for m in masks])
        return cls(*sizes.pop(), np.concatenate([m.boxes for m in masks]), starts, bits)

    @property
    def areas(self) -> np.ndarray:
        """Foreground px of each mask, (N,) int64."""
        sums = np.zeros(len(self), np.int64)
        filled = np.flatnonzero(np.diff(self.starts))
        if len(filled):
            sums[filled] = np.add.reduceat(self.bits[: self.starts[-1]], self.starts[filled], dtype=np.int64)
        return sums

    def tight_boxes(self) -> np.ndarray:
        """(N, 4) int32 xyxy, half-open, around the foreground; zeros for an empty mask."""
        return _tight(self.boxes, self.windows())[0]

    def crop(self, bbox: np.ndarray) -> Self:
        """What lies inside ``bbox`` (4,) xyxy in whole px, which is clipped to the image, and at least 1 px."""
        if (np.asarray(bbox) % 1 != 0).any():
            raise ValueError(f'expected a box (x1, y1, x2, y2) in whole px to crop to, found {list(bbox)}; round it')
        x1, y1, x2, y2 = np.clip(np.asarray(bbox, np.int64), 0, [self.width, self.height] * 2).tolist()
        x2, y2 = max(x2, x1 + 1), max(y2, y1 + 1)
        boxes = np.clip(self.boxes, [x1, y1] * 2, [x2, y2] * 2)
        cut = (boxes - np.tile(self.boxes[:, :2], 2)).tolist()
        windows = [w[top:bottom, left:right] for w, (left, top, right, bottom) in zip(self.windows(), cut)]
        return self.from_windows(boxes - [x1, y1, x1, y1], windows, y2 - y1, x2 - x1)

    def flip(self, flip_direction: str = 'horizontal') -> Self:
        """Mirror ``horizontal``, ``vertical`` or ``diagonal`` (both)."""
        assert flip_direction in ('horizontal', 'vertical', 'diagonal')
        boxes = self.boxes.copy()
        rows = cols = slice(None)
        if flip_direction != 'vertical':
            boxes[:, 0::2] = self.width - boxes[:, 2::-2]
            cols = slice(None, None, -1)
        if flip_direction != 'horizontal':
            boxes[:, 1::2] = self.height - boxes[:, 3::-2]
            rows = slice(None, None, -1)
        return self.from_windows(boxes, [w[rows, cols] for w in self.windows()], self.height, self.width)

    def pad(self, out_shape: tuple[int, int], pad_val: int = 0) -> Self:
        """Grow to ``out_shape`` (h, w) at the right and the bottom."""
        refuse_border('pad_val', pad_val)
        return self.expand(*out_shape, 0, 0)

    def expand(self, expanded_h: int, expanded_w: int, top: int, left: int) -> Self:
        """Place the image at (top, left) of a larger one."""
        if min(top, left) < 0 or top + self.height > expanded_h or left + self.width > expanded_w:
            raise ValueError(
                f'masks of {self.height} x {self.width} at ({top}, {left}) leave {expanded_h} x {expanded_w}'
            )
        boxes = np.where(np.diff(self.starts)[:, None] > 0, self.boxes + [left, top, left, top], 0)
        return type(self)(expanded_h, expanded_w, boxes, self.starts, self.bits)

    def resize_nearest(self, out_shape: tuple[int, int]) -> Self:
        """Resize to (h, w) by repeating and leaving out rows and columns, as OpenCV's nearest neighbours.

        Which source row a row comes from is read off a ruler that OpenCV resizes, so that its rounding is ours. The
        ruler never descends, hence a window's rows stay together.
        """
        cols, rows = (
            cv2.resize(np.arange(old, dtype=np.float32)[None], (new, 1), interpolation=cv2.INTER_NEAREST)[0].astype(int)
            for old, new in ((self.width, out_shape[1]), (self.height, out_shape[0]))
        )
        boxes = np.empty_like(self.boxes)
        boxes[:, 0::2] = np.searchsorted(cols, self.boxes[:, 0::2])
        boxes[:, 1::2] = np.searchsorted(rows, self.boxes[:, 1::2])
        windows = [
            w.take(rows[top:bottom] - y, axis=0).take(cols[left:right] - x, axis=1)
            for w, (left, top, right, bottom), (x, y, *_) in zip(self.windows(), boxes.tolist(), self.boxes.tolist())
        ]
        return self.from_windows(boxes, windows, *out_shape)


def _tight(boxes: np.ndarray, windows: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
    """The same masks in the smallest boxes (N, 4) int32; zeros for an empty mask."""
    out, pieces = np.zeros((len(boxes), 4), np.int32), []
    for box, (x, y), window in zip(out, boxes[:, :2].tolist(), windows):
        rows, cols = np.flatnonzero(window.any(axis=1)), np.flatnonzero(window.any(axis=0))
        if len(rows):
            box[:] = x + cols[0], y + rows[0], x + cols[-1] + 1, y + rows[-1] + 1
            pieces.append(window[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1])
        else:
            pieces.append(window[:0, :0])
    return out, pieces


def refuse_border(name: str, value: float) -> None:
    """Raise ValueError for a border that would make every window as large as the image."""
    if value:
        raise ValueError(
            f'masks in boxes: expected {name}=0, found {value!r}; with any other value every mask is as large as the '
            'image, so use .to_bitmap() for it'
        )
