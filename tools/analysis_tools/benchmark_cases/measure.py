"""Time and added peak memory of a call, each variant in a process of its own."""

import multiprocessing
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil


@dataclass
class Cost:
    """What one variant cost: best time of its repeats in s, highest resident memory above the start in MB."""

    seconds: float
    megabytes: float


def _watch(process: psutil.Process, peak: list[int], stop: threading.Event) -> None:
    while not stop.wait(0.002):
        peak[0] = max(peak[0], process.memory_info().rss)


def _child(prepare, call, repeats, pipe) -> None:
    try:
        state = prepare()
        process = psutil.Process()
        start = process.memory_info().rss
        peak, stop = [start], threading.Event()
        watcher = threading.Thread(target=_watch, args=(process, peak, stop), daemon=True)
        watcher.start()
        best = float('inf')
        for _ in range(repeats):
            before = time.perf_counter()
            result = call(state)
            best = min(best, time.perf_counter() - before)
            peak[0] = max(peak[0], process.memory_info().rss)
            del result
        stop.set()
        watcher.join()
        pipe.send(Cost(best, (peak[0] - start) / 2**20))
    except BaseException as error:
        pipe.send(error)
        raise


def measure(prepare: Callable[[], object], call: Callable[[object], object], repeats: int = 3) -> Cost:
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


def compare(name: str, ours: Cost, stock: Cost) -> dict:
    """A row of the table: both costs and how many times less ours takes."""
    return {
        'what': name,
        'ours s': ours.seconds,
        'stock s': stock.seconds,
        'times faster': stock.seconds / ours.seconds,
        'ours MB': ours.megabytes,
        'stock MB': stock.megabytes,
        'times less memory': stock.megabytes / max(ours.megabytes, 0.1),
    }
