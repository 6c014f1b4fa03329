"""Data that cannot be read, and workers that die: said with their names and causes."""

import logging
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


def check_image_files(dataset: Any) -> None:
    """Raise ``DataError`` if images of a data set are not there; those behind a storage client are not looked for.

    Args:
        dataset: With ``get_data_info``, as MMDetection's data sets have it.
    """
    if getattr(dataset, 'backend_args', None) or not hasattr(dataset, 'get_data_info'):
        return
    paths = [str(dataset.get_data_info(i).get('img_path', '')) for i in range(len(dataset))]
    missing = [path for path in paths if path and '://' not in path and not os.path.isfile(path)]
    if missing:
        raise DataError(
            f'{getattr(dataset, "ann_file", "the data set")}: {len(missing)} of its {len(paths)} images are not there, '
            f'such as {", ".join(missing[:3])}: is data_root right, and were images moved since the conversion?'
        )


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
                print_log(f'{text}; skipped', 'current', logging.WARNING)
            return None


def explain_worker_death(error: BaseException) -> str:
    """What probably ended a data worker, from torch's error about it; ``''`` if it is another error.

    The signal may stand in the error that this one was raised from.
    """
    message, cause_of = str(error), error.__cause__ or error.__context__
    while cause_of is not None:
        message, cause_of = f'{message}\n{cause_of}', cause_of.__cause__ or cause_of.__context__
    found = re.search(r'DataLoader worker \(pid\(?s?\)? ([\d, ]+)\)', message)
    if not found:
        return ''
    killer = re.search(r'killed by signal: ([^.\n]+)', message)
    number = next((s for s in signal.Signals if killer and signal.strsignal(s) == killer.group(1)), None)
    kills = out_of_memory_kills()
    memory = f'for want of memory (the kernel counts {kills} such kills here): use fewer workers or smaller images'
    shared = f'shared memory is full ({_free("/dev/shm")} MB free in /dev/shm): enlarge it, or use fewer workers'
    crash = 'a library crashed, as a rule while decoding an image: num_workers=0 shows which'
    causes = {
        signal.SIGKILL: f'it was killed, as a rule {memory}',
        signal.SIGBUS: shared,
        signal.SIGSEGV: crash,
        None: f'it was killed, as a rule {memory}; or {shared}; or {crash}',
    }
    cause = causes.get(number, f'it got signal {number}')
    return f'[data worker {found.group(1).strip()} of process {os.getpid()} died: {cause}]'


def _free(folder: str) -> int:
    return shutil.disk_usage(folder).free >> 20 if Path(folder).is_dir() else 0


def out_of_memory_kills() -> int:
    """How often the kernel has killed a process of this container for memory."""
    events = Path('/sys/fs/cgroup/memory.events')
    found = re.search(r'^oom_kill (\d+)', events.read_text(), re.MULTILINE) if events.is_file() else None
    return int(found.group(1)) if found else 0
