"""What ends a training before its time is noted in its record."""

import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mmengine.dist import get_dist_info

from ..components.hooks.data_fault_hook import explain_worker_death
from ..reporting.records import mark_failed


class TerminatedError(BaseException):
    """SIGTERM, from a scheduler, or from the launcher after another process of the training has ended."""


@contextmanager
def noted_end(work_dir: str | os.PathLike, first: bool = True) -> Iterator[None]:
    """Note an error, SIGTERM or an interruption from the keyboard in the unfinished record of a folder, and pass it on.

    Any process of a training notes it, the first one with success: the main one may be the one that was killed, and
    the others lose their connection then. Those that are not ``first`` do so once they are connected: before, the
    record may be that of another training, which keeps the first one out of the folder. A data worker that died is
    reported with its likely cause.
    """
    process = os.getpid()

    def terminate(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if os.getpid() != process:  # forked from the training
            os.kill(os.getpid(), signal.SIGTERM)
        raise TerminatedError('ended by SIGTERM: it was stopped, or another process of the training has ended')

    handles = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, terminate) if handles else None
    try:
        yield
    except BaseException as error:
        text = f'{type(error).__name__}: {error}'.removesuffix(': ').removeprefix('TerminatedError: ')
        cause = explain_worker_death(error)
        if cause:
            error.add_note(cause)
        rank, size = get_dist_info()
        if size > 1 and re.search('connection|broken pipe|peer|remote|gloo|nccl', text, re.IGNORECASE):
            cause = 'another process of the training has ended, as when killed'
        where = f'rank {rank} of {size}: ' if size > 1 else ''
        if first or size > 1:
            mark_failed(work_dir, f'{where}{text} {cause}'.rstrip())
        if isinstance(error, TerminatedError):
            os.kill(process, signal.SIGTERM)  # ends as it would have without the note
        raise
    finally:
        if handles:
            signal.signal(signal.SIGTERM, before)
