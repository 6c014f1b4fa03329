"""Arrays of many short pieces laid end to end, and of values that come several times."""

from collections.abc import Iterator

import numpy as np


def offsets(lengths: np.ndarray) -> np.ndarray:
    """Where each piece starts, and the total at the end: (N,) lengths → (N + 1,) int64."""
    out = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=out[1:])
    return out


def ragged_arange(lengths: np.ndarray) -> np.ndarray:
    """``[0 … l0-1, 0 … l1-1, …]`` as int64."""
    starts = offsets(lengths)
    return np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)


def positions(values: np.ndarray) -> dict[int, np.ndarray]:
    """Each of the values (N,), ascending → where it is, ascending."""
    order = np.argsort(values, kind='stable')
    unique, first = np.unique(values[order], return_index=True)
    return dict(zip(unique.tolist(), np.split(order, first[1:])))


def batches(lengths: np.ndarray, limit: int) -> Iterator[slice]:
    """Consecutive slices of pieces whose lengths sum to ``limit`` at the most (one piece may be longer)."""
    ends = offsets(lengths)
    start = 0
    while start < len(lengths):
        stop = int(np.searchsorted(ends, ends[start] + limit, side='right')) - 1
        stop = max(stop, start + 1)
        yield slice(start, stop)
        start = stop
