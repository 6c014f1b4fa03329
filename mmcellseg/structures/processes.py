"""One function over many items, in processes that fork."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

import cv2

T = TypeVar('T')
R = TypeVar('R')
_function: Callable | None = None


def _start(function: Callable) -> None:
    global _function
    _function = function
    cv2.setNumThreads(0)  # OpenCV's threads do not survive a fork


def _call(item: Any) -> Any:
    assert _function is not None
    return _function(item)


def map_forked(function: Callable[[T], R], items: Sequence[T], workers: int) -> Iterator[R]:
    """``map(function, items)`` in this process, or in several that fork from it: only items and results are sent.
    ``RuntimeError`` if a process was killed."""
    workers = min(workers, len(items))
    if workers <= 1:
        yield from map(function, items)
        return
    # Not multiprocessing.Pool: it waits for ever for a process that was killed.
    with ProcessPoolExecutor(workers, get_context('fork'), initializer=_start, initargs=(function,)) as pool:
        try:
            yield from pool.map(_call, items)
        except BrokenProcessPool as error:
            raise RuntimeError(
                f'one of {workers} processes was killed, often because memory ran out, or crashed on a damaged file: '
                'nothing was written; use fewer workers (1 names the file)'
            ) from error
