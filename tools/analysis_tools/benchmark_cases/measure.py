"""Time and added peak memory of a call, each variant in a process of its own."""

import multiprocessing
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import psutil


class Cost(NamedTuple):
    """What one variant cost: best time of its repeats in s, highest resident memory above the start in MB."""

    seconds: float
    megabytes: float


def watch(memory: Callable[[], float], peak: list[float], every: float) -> Callable[[], None]:
    """Keep ``peak[0]`` up to date from a thread, until the function is called that this returns."""
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(every):
            peak[0] = max(peak[0], memory())

    thread = threading.Thread(target=look, daemon=True)
    thread.start()

    def end() -> None:
        stop.set()
        thread.join()

    return end


def _child(prepare, call, repeats, pipe) -> None:
    try:
        state = prepare()
        process = psutil.Process()
        start = process.memory_info().rss
        peak, best = [start], float('inf')
        end = watch(lambda: process.memory_info().rss, peak, 0.002)
        for _ in range(repeats):
            before = time.perf_counter()
            result = call(state)
            best = min(best, time.perf_counter() - before)
            peak[0] = max(peak[0], process.memory_info().rss)
            del result
        end()
        pipe.send(Cost(best, (peak[0] - start) / 2**20))
    except BaseException as error:
        pipe.send(error)
        raise


def measure(prepare: Callable[[], Any], call: Callable[[Any], object], repeats: int = 3) -> Cost:
    """Run ``call(prepare())`` in a forked process; only ``call`` is measured.

    Memory is the peak of the process's resident set while ``call`` runs, less the resident set before it,
    sampled every 2 ms, so that short peaks of small size may be missed.
    """
    context = multiprocessing.get_context('fork')
    ours, theirs = context.Pipe()
    process = context.Process(target=_child, args=(prepare, call, repeats, theirs))
    process.start()
    theirs.close()
    try:
        cost = ours.recv()
    except EOFError:
        cost = RuntimeError(f'the measured process died (exit code {process.exitcode})')
    process.join()
    if isinstance(cost, BaseException):
        raise cost
    return cost


def row(what: str, ours: Cost, stock: Cost | None = None) -> dict[str, Any]:
    """A row of the table: what ours cost, and with stock beside it how many times less that is."""
    if stock is None:
        return {'what': what, 'ours s': ours.seconds, 'ours MB': ours.megabytes}
    return {
        'what': what,
        'ours s': ours.seconds,
        'stock s': stock.seconds,
        'times faster': stock.seconds / ours.seconds,
        'ours MB': ours.megabytes,
        'stock MB': stock.megabytes,
        'times less memory': stock.megabytes / max(ours.megabytes, 0.1),
    }
