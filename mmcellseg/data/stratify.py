"""Parts of a data set that are alike in every class: exchanges that bring the shares of each part nearer to its aim."""

import numpy as np


def shares_of(counts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """(G, C + 1) of each group's share of every class, from (G, C) instances, and of the images, from (G,) sizes."""
    # The images count as one class more, so that the parts come out alike in size too.
    columns = np.column_stack([counts, sizes]).astype(np.float64)
    return columns / np.maximum(columns.sum(0), 1)


def exchange(
    columns: np.ndarray,
    part: np.ndarray,
    aims: np.ndarray,
    cost: np.ndarray,
    tolerance: float = 0.0,
    rounds: int = 500,
) -> np.ndarray:
    """Take the best single move or exchange of two groups until none helps; a function of the arguments alone.

    What counts first is the cost of all (part, column) pairs that hold nothing, then the squared distance of all
    shares from the aims.

    Args:
        columns: (G, W) share of each group in every column; a column sums to 1, or to 0.
        part: (G,) part of each group to begin with, from 0.
        aims: (P,) share of everything that each part should hold.
        cost: (P,) whole numbers: how bad it is that a column is empty in this part.
        tolerance: Stop where no part lacks a column and no share is off by more than this part of the aim.
        rounds: At most so many changes.

    Returns:
        (G,) int64 part of each group.
    """
    n, width = columns.shape
    parts = len(aims)
    # A move is an exchange with one of as many stand-ins as there are parts, which hold nothing.
    share = np.concatenate([columns, np.zeros((parts, width))])
    holds = share > 0
    part = np.concatenate([part, np.arange(parts)])
    for _ in range(rounds):
        off = np.array([share[part == k].sum(0) - aims[k] for k in range(parts)])
        holders = np.array([holds[part == k].sum(0) for k in range(parts)])
        used = holds.any(0)
        if holders[:, used].all() and (np.abs(off[:, used]) <= tolerance * aims[:, None]).all():
            break
        best, change = (0, -1e-9), None
        for group in range(n):
            here, there = part[group], part
            added = share - share[group]  # (n + parts, width): what `here` gains and `there` loses
            gain = holds.astype(np.int64) - holds[group]
            missing = cost[here] * (holders[here] + gain == 0).sum(1) + cost[there] * (holders[there] - gain == 0).sum(
                1
            )
            missing -= cost[here] * (holders[here] == 0).sum() + cost[there] * (holders[there] == 0).sum(1)
            spread = ((off[here] + added) ** 2 - off[here] ** 2).sum(1)
            spread += ((off[there] - added) ** 2 - off[there] ** 2).sum(1)
            missing[there == here], spread[there == here] = 0, 0
            other = np.lexsort((spread, missing))[0]
            if (missing[other], spread[other]) < best:
                best, change = (missing[other], spread[other]), (group, other)
        if change is None:
            break
        group, other = change
        part[group], came_from = part[other], part[group]
        if other < n:
            part[other] = came_from
    return part[:n]
