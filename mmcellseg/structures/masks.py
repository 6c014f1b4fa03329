"""Instance masks of which each is a small bitmap with its place in the image."""

from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np

from . import geometry, rle
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
        return cls(height, width, *geometry.pack(boxes, list(windows)))

    @classmethod
    def from_rles(cls, rles: Sequence[dict], height: int, width: int) -> Self:
        """From COCO RLEs (``counts`` str, bytes or list of ints).

        Raises:
            ValueError: names the index of a malformed RLE or of one of another size.
        """
        counts, splits = rle.read_rles(rles, height, width)
        return cls(height, width, *rle.counts_to_windows(counts, splits, height))

    @classmethod
    def from_bitmaps(cls, bitmaps: np.ndarray) -> Self:
        """From an array (N, H, W); any value but 0 and 1 is kept as uint8 keeps it."""
        number, height, width = bitmaps.shape
        whole = np.tile(np.array([0, 0, width, height], np.int32), (number, 1))
        boxes, windows = geometry.tight(whole, list(bitmaps))
        return cls.from_windows(boxes, [w.astype(np.uint8) for w in windows], height, width)

    @classmethod
    def from_label_map(cls, label_map: np.ndarray) -> tuple[np.ndarray, Self]:
        """The ids (N,) int64, ascending, of a label map (H, W) with background 0, and their masks.

        Raises:
            ValueError: A label is negative or no whole number.
        """
        ids, *windows = geometry.label_map_windows(label_map)
        return ids, cls(*label_map.shape, *windows)

    def to_rles(self) -> list[dict]:
        """COCO RLEs, equal to pycocotools' byte for byte: ``[{'size': [h, w], 'counts': bytes}, …]``."""
        counts = rle.windows_to_counts(self.boxes, self.starts, self.bits, self.height, self.width)
        size = [self.height, self.width]
        return [{'size': list(size), 'counts': c} for c in rle.counts_to_strings(*counts)]

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
        """Join masks of one image size.

        Raises:
            ValueError: There are none, or their image sizes differ.
        """
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
        return geometry.tight(self.boxes, self.windows())[0]

    def crop(self, bbox: np.ndarray) -> Self:
        """What lies inside ``bbox`` (4,) xyxy in whole px, which is clipped to the image, and at least 1 px.

        Raises:
            ValueError: The box is not in whole px.
        """
        if (np.asarray(bbox) % 1 != 0).any():
            raise ValueError(f'expected a box (x1, y1, x2, y2) in whole px to crop to, found {list(bbox)}; round it')
        bbox = np.asarray(bbox).astype(np.int64)
        x1, x2 = np.clip(bbox[0::2], 0, self.width).tolist()
        y1, y2 = np.clip(bbox[1::2], 0, self.height).tolist()
        x2, y2 = max(x2, x1 + 1), max(y2, y1 + 1)
        pieces = geometry.crop(self.boxes, self.windows(), (x1, y1, x2, y2))
        return self.from_windows(*pieces, y2 - y1, x2 - x1)

    def flip(self, flip_direction: str = 'horizontal') -> Self:
        """Mirror ``horizontal``, ``vertical`` or ``diagonal`` (both)."""
        assert flip_direction in ('horizontal', 'vertical', 'diagonal')
        flipped = geometry.flip(self.boxes, self.windows(), self.height, self.width, flip_direction)
        return self.from_windows(*flipped, self.height, self.width)

    def pad(self, out_shape: tuple[int, int], pad_val: int = 0) -> Self:
        """Grow to ``out_shape`` (h, w) at the right and the bottom."""
        geometry.refuse_border('pad_val', pad_val)
        if out_shape[0] < self.height or out_shape[1] < self.width:
            raise ValueError(f'cannot pad masks of {self.height} x {self.width} to the smaller {out_shape}')
        return self._placed(out_shape, 0, 0)

    def expand(self, expanded_h: int, expanded_w: int, top: int, left: int) -> Self:
        """Place the image at (top, left) of a larger one."""
        if min(top, left) < 0 or top + self.height > expanded_h or left + self.width > expanded_w:
            raise ValueError(
                f'masks of {self.height} x {self.width} at ({top}, {left}) leave {expanded_h} x {expanded_w}'
            )
        return self._placed((expanded_h, expanded_w), top, left)

    def resize_nearest(self, out_shape: tuple[int, int]) -> Self:
        """Resize to (h, w) by nearest neighbours, as OpenCV rounds."""
        cells = geometry.resize_nearest(self.boxes, self.windows(), (self.height, self.width), out_shape)
        return self.from_windows(*cells, *out_shape)

    def _placed(self, size: tuple[int, int], top: int, left: int) -> Self:
        filled = (np.diff(self.starts) > 0)[:, None]
        boxes = np.where(filled, self.boxes + np.array([left, top, left, top], np.int32), 0)
        return type(self)(*size, boxes, self.starts, self.bits)
