"""Overlapping tiles of one size that cover an image, and the core of each."""

from dataclasses import dataclass

import numpy as np


def starts(length: int, tile: int, overlap: int, align: int = 1) -> np.ndarray:
    """Where tiles begin along a side of ``length`` px; the last is cut off at the image's end.

    Neighbours share ``overlap`` px or more, and the last tile is longer than that. Tiles begin at multiples of
    ``align``, or where that would take half as much overlap again, of a half, a quarter, … of it.

    Raises:
        ValueError: The tile is not larger than the overlap.
    """
    step = tile - overlap
    if not 0 < step <= tile:
        raise ValueError(
            f'tiles of {tile} px with an overlap of {overlap} px: the overlap must be smaller than the tile'
        )
    while align > step or step // align * align < step - overlap // 2:
        align //= 2
    step = step // align * align
    return np.arange(max(1, 1 - (tile - length) // step)) * step


@dataclass(frozen=True, eq=False)
class Grid:
    """R × C tiles of an image. Number ``row × C + column`` names a tile.

    Args:
        height, width: Size of the image in px.
        tile: Side of a tile in px; at the image's right and lower edge it may be shorter.
        tops, lefts: (R,) first row and (C,) first column of the tiles.
    """

    height: int
    width: int
    tile: int
    tops: np.ndarray
    lefts: np.ndarray

    @classmethod
    def cover(cls, height: int, width: int, tile: int, overlap: int, align: int = 1) -> 'Grid':
        """Tiles that cover an image; see :func:`starts`."""
        return cls(height, width, tile, starts(height, tile, overlap, align), starts(width, tile, overlap, align))

    def __len__(self) -> int:
        return len(self.tops) * len(self.lefts)

    def boxes(self, tiles: np.ndarray) -> np.ndarray:
        """(N, 4) xyxy of the tiles (N,)."""
        row, column = np.divmod(np.asarray(tiles, np.int64), len(self.lefts))
        corner = np.stack([self.lefts[column], self.tops[row]], axis=-1)
        return np.concatenate([corner, np.minimum(corner + self.tile, [self.width, self.height])], axis=-1)

    def owners(self, boxes: np.ndarray) -> np.ndarray:
        """Tile (N,) in whose core the centre of each box (N, 4) xyxy lies.

        Cores share out the image: they meet in the middle of what two neighbours share.
        """
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        borders = [(begins[1:] + begins[:-1] + self.tile) / 2 for begins in (self.lefts, self.tops)]
        column, row = (np.searchsorted(borders[k], middle[:, k], side='right') for k in (0, 1))
        return row * len(self.lefts) + column

    def cut(self, boxes: np.ndarray, tiles: np.ndarray, touch: int = 0) -> np.ndarray:
        """(N,) whether a box comes within ``touch`` px of an edge of its tile that is no edge of the image."""
        frame = self.boxes(tiles)
        low, high = frame[:, :2], frame[:, 2:]
        first = (low > 0) & (boxes[:, :2] <= low + touch)
        last = (high < [self.width, self.height]) & (boxes[:, 2:] >= high - touch)
        return np.asarray((first | last).any(axis=1))

    def shared(self, boxes: np.ndarray, tiles: np.ndarray) -> np.ndarray:
        """(N,) whether a box reaches into what another tile sees too."""
        row, column = np.divmod(np.asarray(tiles, np.int64), len(self.lefts))
        out = np.zeros(len(boxes), bool)
        for axis, place, begins in ((0, column, self.lefts), (1, row, self.tops)):
            # What a row or column of tiles sees alone, empty where its neighbours meet.
            low, high = np.append(0, begins[:-1] + self.tile), np.append(begins[1:], max(self.width, self.height))
            out |= (boxes[:, axis] < low[place]) | (boxes[:, axis + 2] > high[place])
        return out
