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
        self._origin: np.ndarray = np.zeros((0, 2), np.int64)  # tile of each waiting view, and its place in the tile
        self._pairs: np.ndarray = np.zeros((2, 0), np.int64)  # waiting views of one cell

    def add_row(self, row: int, found: Sequence[tuple[int, Cells]]) -> Cells | None:
        """The cells that are final once a row of tiles is there, in the order of the tiles; None where none are.

        Args:
            row: Its number; each comes once, in ascending order.
            found: Tiles of the row, ascending, and what was found in each, in px of the tile. No mask is empty, and
                masks lie in their tight boxes.
        """
        before, grid = len(self._origin), self.grid
        parts, origins = [] if self._waiting is None else [self._waiting], [self._origin]
        for tile, cells in found:
            left, top, *_ = grid.boxes(np.array([tile]))[0].tolist()
            masks = cells.masks.expand(grid.height, grid.width, top, left)
            parts.append(replace(cells, boxes=cells.boxes + [left, top, left, top], masks=masks))
            origins.append(np.stack([np.full(len(cells), tile), np.arange(len(cells))], axis=1))
        if not parts:
            return None
        views, self._origin = join(parts), np.concatenate(origins)
        self._link(views, before)
        cell = _components(self._pairs, len(views))
        bottom = grid.height if row + 1 == len(grid.tops) else int(grid.tops[row + 1])
        open_cells = np.zeros(len(views), bool)
        open_cells[cell[views.masks.boxes[:, 3] > bottom]] = True
        final = ~open_cells[cell]
        done = self._resolve(views, np.flatnonzero(final))
        self._pairs = (np.cumsum(~final) - 1)[self._pairs[:, ~final[self._pairs[0]]]]
        self._origin = self._origin[~final]
        self._waiting = views[~final] if len(self._origin) else None
        return done

    def _link(self, views: Cells, before: int) -> None:
        """Find the views of one cell among the views from ``before`` on, and between them and the earlier ones.

        Each view has one partner at most in each other tile. The pair of the highest IoU comes first; of equal ones
        one of the same class, then that of the lowest indices.
        """
        tiles, masks, boxes = self._origin[:, 0], views.masks, views.masks.boxes
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
        likely = np.minimum(area_i, area_j) > self.threshold * np.maximum(area_i, area_j)
        i, j, area_i, area_j = i[likely], j[likely], area_i[likely], area_j[likely]
        pixels = common_pixels(masks, masks, i, j)
        iou = pixels / np.maximum(area_i + area_j - pixels, 1)
        order = np.lexsort((j, i, views.labels[i] != views.labels[j], -iou))
        order = order[iou[order] > self.threshold]
        i, j = i[order], j[order]
        taken: set[tuple[int, int]] = set()  # a view, and the tile in which it has its partner
        matched = []
        for k, (mine, its) in enumerate(zip(zip(i.tolist(), tiles[j].tolist()), zip(j.tolist(), tiles[i].tolist()))):
            if mine not in taken and its not in taken:
                taken |= {mine, its}
                matched.append(k)
        self._pairs = np.concatenate([self._pairs, np.stack([i, j])[:, matched]], axis=1).astype(np.int64)

    def _resolve(self, views: Cells, final: np.ndarray) -> Cells | None:
        """One cell for the views of each, of the waiting views ``final`` (K,), which are linked to no others."""
        (tiles, indices), boxes = self._origin[final].T, views.masks.boxes[final]
        owner = self.grid.owners(boxes)
        own = (owner == tiles) | self.skipped[owner]
        whole = ~self.grid.cut(boxes, tiles, self.touch)
        order = np.lexsort((indices, tiles, -views.scores[final], ~own, ~whole))
        ranked, own, whole = final[order], own[order], whole[order]
        rank = np.full(len(views), -1)
        rank[ranked] = np.arange(len(ranked))
        pairs = rank[self._pairs]
        pairs = np.sort(pairs[:, pairs[0] >= 0], axis=0)
        by_whole = whole[pairs[0]]
        # A view that is linked to a better one gives way to it, unless both are cut.
        first, second = pairs[:, by_whole]
        groups = greedy_groups(first, second, len(ranked), lambda at: np.ones(len(at)), 0.5)
        seeds, leads = np.zeros((2, len(ranked)), bool)
        seeds[groups.seeds] = leads[groups.leader] = True
        kept = ranked[seeds & whole & (own | leads)]
        # The others are cut, and one cell is the union of those that are linked. Of a cell that is smaller than the
        # overlap none has its centre in its tile's core: its whole view was kept.
        cell = _components(pairs[:, ~by_whole & seeds[pairs].all(axis=0)], len(ranked))
        cut = np.flatnonzero(seeds & ~whole & np.isin(cell, cell[own & seeds & ~whole]))
        cut = cut[np.argsort(cell[cut], kind='stable')]
        united = [ranked[group] for group in np.split(cut, np.flatnonzero(np.diff(cell[cut])) + 1) if len(group)]
        chosen = np.concatenate([kept, [group[0] for group in united]]).astype(np.int64)
        if not len(chosen):
            return None
        cells = join([views[kept], _union(views, united)]) if united else views[kept]
        return cells[np.lexsort(self._origin[chosen].T[::-1])]


def _components(pairs: np.ndarray, number: int) -> np.ndarray:
    """(N,) the component of each of N things that ``pairs`` (2, P) link."""
    return connected_components(coo_array((np.ones(pairs.shape[1]), tuple(pairs)), (number, number)))[1]


def _union(views: Cells, groups: Sequence[np.ndarray]) -> Cells:
    """One cell a group of views: what any of them has, with the class and the score of the first."""
    boxes = [np.append(views.boxes[group, :2].min(0), views.boxes[group, 2:].max(0)) for group in groups]
    masks = union(views.masks, [group.tolist() for group in groups])
    return replace(views[np.array([group[0] for group in groups])], boxes=np.array(boxes), masks=masks)
