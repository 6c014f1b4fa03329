"""Data that cannot be read, and workers that die: said with their names and causes."""

import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import print_log


class DataError(RuntimeError):
    """An image or its annotations could not be loaded; the message names the file."""


class GuardedPipeline:
    """A data set's pipeline that names the image of every error.

    Args:
        pipeline: The data set's own.
        skip: Whether an image that cannot be read counts as skipped, and the data set draws another, instead of
            stopping.
        skipped: Shared memory ``(images,)``, uint8: 1 for each image that was skipped, whichever worker did it.
    """

    def __init__(self, pipeline: Callable[[dict], dict | None], skip: bool, skipped: torch.Tensor) -> None:
        self.pipeline, self.skip, self.skipped = pipeline, skip, skipped

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__') or 'pipeline' not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.pipeline, name)

    def __call__(self, data: dict) -> dict | None:
        name, index = data.get('img_path', 'an image without a path'), data.get('sample_idx', 0)
        try:
            return self.pipeline(data)
        except Exception as error:
            text = f'{name}: cannot be loaded for training ({type(error).__name__}: {error})'
            if not self.skip:
                raise DataError(
                    f'{text}. Repair or remove it, or go on without it: DataFaultHook with skip_corrupt=True'
                ) from error
            if not self.skipped[index]:
                self.skipped[index] = 1
                print_log(f'{text}; skipped', 'current', 'WARNING')
            return None


def explain_worker_death(message: str) -> str:
    """What probably killed a data worker, from torch's message about it; ``''`` if the message is of another error."""
    found = re.search(r'DataLoader worker \(pid\(?s?\)? ([\d, ]+)\)', message)
    if not found:
        return ''
    killer = re.search(r'killed by signal: ([\w ]+?)\.? ', f'{message} ')
    names = {signal.strsignal(s): s for s in signal.Signals}
    number = names.get(killer.group(1)) if killer else None
    free = shutil.disk_usage('/dev/shm').free >> 20 if Path('/dev/shm').is_dir() else None
    if number == signal.SIGKILL:
        kills = out_of_memory_kills()
        seen = f' (this machine counts {kills} such kills)' if kills else ''
        cause = f'it was killed, as a rule for want of memory{seen}: use fewer workers or smaller images'
    elif number == signal.SIGBUS:
        cause = f'shared memory is full (/dev/shm has {free} MB free): enlarge it, or use fewer workers'
    elif number == signal.SIGSEGV:
        cause = 'a library crashed, as a rule while decoding an image: num_workers=0 shows which'
    else:
        cause = 'it ended by itself: num_workers=0 shows the error'
    return f' [data worker {found.group(1).strip()} of process {os.getpid()} died: {cause}]'


def out_of_memory_kills() -> int:
    """How often the kernel has killed a process of this container for memory."""
    events = Path('/sys/fs/cgroup/memory.events')
    found = re.search(r'^oom_kill (\d+)', events.read_text(), re.MULTILINE) if events.is_file() else None
    return int(found.group(1)) if found else 0
