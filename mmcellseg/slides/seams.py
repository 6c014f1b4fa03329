"""From the cells of overlapping tiles to the cells of the image, a row of tiles at a time.

Where two tiles overlap, both see the same cells. Two views of a cell are recognised by their masks' IoU in what both
tiles see, so a view that is cut by a tile's edge is recognised too. Of the views of a cell a whole one is kept, from
the tile in whose core the cell's centre lies if it is there; a view that no other tile agrees with is kept by that
tile only. A cell that no tile sees whole is the union of its cut views.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..ensemble.overlap import greedy_groups
from ..export.cells import Cells, join
from ..structures.masks import InstanceMasks
from ..structures.overlaps import candidate_pairs, common_pixels, union
from .tiles import Grid


def match_one_to_one(
    first: np.ndarray, second: np.ndarray, tiles: np.ndarray, value: np.ndarray, same_class: np.ndarray
) -> np.ndarray:
    """Which pairs (P,) of views are of one cell: each view has one partner at most in each other tile.

    The pair of the highest value comes first; of equal ones one of the same class, then that of the lowest indices.

    Args:
        first, second: (P,) views, of different tiles.
        tiles: (N,) tile of each view.
        value: (P,) how well they agree.
        same_class: (P,) bool.

    Returns:
        (M,) places of the matched pairs, ascending.
    """
    order = np.lexsort((second, first, ~same_class, -value))
    number = int(tiles.max(initial=0)) + 1
    wants = np.stack([first * number + tiles[second], second * number + tiles[first]])[:, order]
    rest: np.ndarray = np.arange(len(order))
    matched = [np.zeros(0, np.int64)]
    while len(rest):
        # A pair that is the first left for both its views is taken, and they have no other with these tiles.
        keys, places = np.unique(wants[:, rest], return_inverse=True)
        places = places.reshape(2, -1)
        best = np.full(len(keys), len(order))
        np.minimum.at(best, places.ravel(), np.tile(rest, 2))
        chosen = (best[places] == rest).all(axis=0)
        gone = np.zeros(len(keys), bool)
        gone[places[:, chosen]] = True
        matched.append(order[rest[chosen]])
        rest = rest[~gone[places].any(axis=0)]
    return np.sort(np.concatenate(matched))


def _areas_inside(masks: InstanceMasks, chosen: np.ndarray, frames: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """Foreground px (P,) of the chosen masks inside the rectangles ``frames`` (P, 4)."""
    boxes, inside = masks.boxes[chosen], areas[chosen]
    cut = np.flatnonzero((boxes[:, :2] < frames[:, :2]).any(1) | (boxes[:, 2:] > frames[:, 2:]).any(1))
    low = (np.maximum(frames[cut, :2], boxes[cut, :2]) - boxes[cut, :2]).tolist()
    high = (np.minimum(frames[cut, 2:], boxes[cut, 2:]) - boxes[cut, :2]).clip(0).tolist()
    windows = masks.windows(chosen[cut])
    inside[cut] = [np.count_nonzero(w[y0:y1, x0:x1]) for w, (x0, y0), (x1, y1) in zip(windows, low, high)]
    return inside


class Seams:
    """Takes the cells of each row of tiles, and gives those that no later tile can change.

    Memory holds the cells that reach into a row of tiles to come, and those that are linked to them.

    Args:
        grid: The tiles.
        threshold: Two views whose masks' IoU, in what both tiles see, is above this are of one cell.
        touch: A mask that comes so near to its tile's edge, in px, counts as cut.
        skipped: (R × C,) bool, tiles that are not predicted; their neighbours keep what they see in their cores.
    """

    def __init__(self, grid: Grid, threshold: float = 0.5, touch: int = 2, skipped: np.ndarray | None = None) -> None:
        self.grid = grid
        self.threshold = threshold
        self.touch = touch
        self.skipped = np.zeros(len(grid), bool) if skipped is None else skipped
        self._waiting: Cells | None = None
        self._tiles: np.ndarray = np.zeros(0, np.int64)  # of each waiting view
        self._indices: np.ndarray = np.zeros(0, np.int64)  # its place among the cells of its tile
        self._pairs: np.ndarray = np.zeros((2, 0), np.int64)  # waiting views of one cell

    def add_row(self, row: int, found: Sequence[tuple[int, Cells]]) -> Cells | None:
        """The cells that are final once a row of tiles is there, in the order of the tiles; None where none are.

        Args:
            row: Its number; each comes once, in ascending order.
            found: Tiles of the row, ascending, and what was found in each, in px of the tile. No mask is empty, and
                masks lie in their tight boxes.
        """
        before = len(self._tiles)
        self._add(found)
        views = self._waiting
        if views is None:
            return None
        self._link(views, before)
        bottom = self.grid.height if row + 1 == len(self.grid.tops) else int(self.grid.tops[row + 1])
        number, boxes = len(self._tiles), views.masks.boxes
        cell = connected_components(coo_array((np.ones(self._pairs.shape[1]), tuple(self._pairs)), (number, number)))[1]
        open_cells = np.zeros(number, bool)
        open_cells[cell[boxes[:, 3] > bottom]] = True
        final = ~open_cells[cell]
        done = self._resolve(views, np.flatnonzero(final))
        place = np.cumsum(~final) - 1
        self._pairs = place[self._pairs[:, ~final[self._pairs[0]]]]
        self._tiles, self._indices = self._tiles[~final], self._indices[~final]
        self._waiting = views[~final] if len(self._tiles) else None
        return done

    def _add(self, found: Sequence[tuple[int, Cells]]) -> None:
        height, width = self.grid.height, self.grid.width
        parts = [] if self._waiting is None else [self._waiting]
        tiles, indices = [self._tiles], [self._indices]
        for tile, cells in found:
            left, top, *_ = self.grid.boxes(np.array([tile]))[0].tolist()
            masks = cells.masks.expand(height, width, top, left)
            parts.append(replace(cells, boxes=cells.boxes + [left, top, left, top], masks=masks))
            tiles.append(np.full(len(cells), tile))
            indices.append(np.arange(len(cells)))
        self._waiting = join(parts) if parts else None
        self._tiles, self._indices = np.concatenate(tiles), np.concatenate(indices)

    def _link(self, views: Cells, before: int) -> None:
        """Find the views of one cell among the views from ``before`` on, and between them and the earlier ones."""
        tiles, masks, boxes = self._tiles, views.masks, views.masks.boxes
        near = np.flatnonzero(self.grid.shared(boxes, tiles))
        fresh = near[near >= before]
        i, j = candidate_pairs(boxes[near], boxes[fresh])
        i, j = near[i], fresh[j]
        keep = (i < j) & (tiles[i] != tiles[j])
        i, j = i[keep], j[keep]
        a, b = self.grid.boxes(tiles[i]), self.grid.boxes(tiles[j])
        common = np.concatenate([np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])], axis=1)
        areas = np.zeros(len(masks), np.int64)
        areas[near] = [np.count_nonzero(window) for window in masks.windows(near)]
        area_i, area_j = _areas_inside(masks, i, common, areas), _areas_inside(masks, j, common, areas)
        most = np.minimum(area_i, area_j)
        likely = most > self.threshold * np.maximum(area_i, area_j)
        i, j, area_i, area_j = i[likely], j[likely], area_i[likely], area_j[likely]
        pixels = common_pixels(masks, masks, i, j)
        iou = pixels / np.maximum(area_i + area_j - pixels, 1)
        over = iou > self.threshold
        i, j, iou = i[over], j[over], iou[over]
        matched = match_one_to_one(i, j, tiles, iou, views.labels[i] == views.labels[j])
        self._pairs = np.concatenate([self._pairs, [i[matched], j[matched]]], axis=1)

    def _resolve(self, views: Cells, final: np.ndarray) -> Cells | None:
        """One cell for the views of each, of the waiting views ``final`` (K,), which are linked to no others."""
        tiles, boxes = self._tiles[final], views.masks.boxes[final]
        owner = self.grid.owners(boxes)
        own = (owner == tiles) | self.skipped[owner]
        whole = ~self.grid.cut(boxes, tiles, self.touch)
        order = np.lexsort((self._indices[final], tiles, -views.scores[final], ~own, ~whole))
        ranked, own, whole = final[order], own[order], whole[order]
        rank = np.full(len(views), -1)
        rank[ranked] = np.arange(len(ranked))
        pairs = rank[self._pairs]
        pairs = np.sort(pairs[:, pairs[0] >= 0], axis=0)
        by_whole = whole[pairs[0]]
        first, second = pairs[:, by_whole]
        groups = greedy_groups(first, second, len(ranked), lambda at: np.ones(len(at)), 0.5)
        seeds, leads = np.zeros((2, len(ranked)), bool)
        seeds[groups.seeds] = leads[groups.leader] = True
        kept = ranked[seeds & whole & (own | leads)]
        left = pairs[:, ~by_whole & seeds[pairs].all(axis=0)]
        united = _unite_cut(np.flatnonzero(seeds & ~whole), left, own)
        chosen = np.concatenate([kept, [ranked[group[0]] for group in united]]).astype(np.int64)
        if not len(chosen):
            return None
        cells = views[kept]
        if united:
            cells = join([cells, _union(views, [ranked[group] for group in united])])
        return cells[np.lexsort((self._indices[chosen], self._tiles[chosen]))]


def _unite_cut(cut: np.ndarray, pairs: np.ndarray, own: np.ndarray) -> list[np.ndarray]:
    """The groups of cut views (C,) of ranked ones that ``pairs`` (2, P) link.

    Of a cell that is smaller than the overlap no cut view has its centre in its tile's core, and such are left out.
    """
    cell = connected_components(coo_array((np.ones(pairs.shape[1]), tuple(pairs)), (len(own), len(own))))[1]
    order = cut[np.argsort(cell[cut], kind='stable')]
    groups = np.split(order, np.flatnonzero(np.diff(cell[order])) + 1) if len(order) else []
    return [group for group in groups if own[group].any()]


def _union(views: Cells, groups: Sequence[np.ndarray]) -> Cells:
    """One cell a group of views: what any of them has, with the class and the score of the first."""
    boxes = [np.append(views.boxes[group, :2].min(0), views.boxes[group, 2:].max(0)) for group in groups]
    masks = union(views.masks, [group.tolist() for group in groups])
    return replace(views[np.array([group[0] for group in groups])], boxes=np.array(boxes), masks=masks)
