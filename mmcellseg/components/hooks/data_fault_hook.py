"""Data that cannot be read, and workers that die in the middle of training: said with their names and causes."""

import logging
import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import HOOKS
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from ..config_paths import innermost


class DataError(RuntimeError):
    """An image or its annotations could not be loaded; the message names the file."""


def _check_image_files(loader: DataLoader) -> None:
    """Raise ``DataError`` if images are not there; those behind a storage client are not looked for."""
    for dataset in innermost(loader.dataset):
        if getattr(dataset, 'backend_args', None) or not hasattr(dataset, 'get_data_info'):
            continue
        paths = [str(dataset.get_data_info(i).get('img_path', '')) for i in range(len(dataset))]
        missing = [path for path in paths if path and '://' not in path and not os.path.isfile(path)]
        if missing:
            raise DataError(
                f'{getattr(dataset, "ann_file", "the data set")}: {len(missing)} of its {len(paths)} images are not '
                f'there, such as {", ".join(missing[:3])}: is data_root right, and were images moved since the '
                'conversion?'
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


@HOOKS.register_module()
class DataFaultHook(Hook):
    """Names the image of every error in the training pipeline, and skips such images if asked to.

    Images that are not there are refused before a run begins, those of its validation too.

    Args:
        skip_corrupt: Draw another image instead of stopping; the skipped ones are counted and named after every
            epoch. Of the training images it stands for those that are not there as well.
    """

    priority = 'HIGH'

    def __init__(self, skip_corrupt: bool = False) -> None:
        self.skip_corrupt = skip_corrupt

    def before_train(self, runner: Runner) -> None:
        if runner.val_loop is not None:
            _check_image_files(runner.val_dataloader)
        if not self.skip_corrupt:
            _check_image_files(runner.train_dataloader)
        self.guarded = []
        for dataset in innermost(runner.train_dataloader.dataset):
            skipped = torch.zeros(len(dataset), dtype=torch.uint8).share_memory_()
            dataset.pipeline = GuardedPipeline(dataset.pipeline, self.skip_corrupt, skipped)
            self.guarded.append((dataset, skipped))

    def before_test(self, runner: Runner) -> None:
        _check_image_files(runner.test_dataloader)

    def after_train_epoch(self, runner: Runner) -> None:
        names = []
        for dataset, skipped in self.guarded:
            anywhere = skipped.int()
            all_reduce(anywhere, 'max')
            names += [dataset.get_data_info(int(i))['img_path'] for i in anywhere.nonzero()]
        runner.message_hub.update_info('skipped_images', names)
        if names:
            runner.logger.warning(f'{len(names)} images could not be read and were skipped: {", ".join(names)}')


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
    events, shared = Path('/sys/fs/cgroup/memory.events'), Path('/dev/shm')
    kills = re.search(r'^oom_kill (\d+)', events.read_text(), re.MULTILINE) if events.is_file() else None
    free = shutil.disk_usage(shared).free >> 20 if shared.is_dir() else 0
    memory = (
        f'it was killed, as a rule out of memory (the kernel counts {kills.group(1) if kills else 0} such kills '
        'here): use fewer workers or smaller images'
    )
    full = f'shared memory is full ({free} MB free in {shared}): enlarge it, or use fewer workers'
    crash = 'a library crashed, as a rule while decoding an image: num_workers=0 shows which'
    causes = {
        signal.SIGKILL: memory,
        signal.SIGBUS: full,
        signal.SIGSEGV: crash,
        None: f'{memory}; or {full}; or {crash}',
    }
    cause = causes.get(number, f'it got signal {number}')
    return f'[data worker {found.group(1).strip()} of process {os.getpid()} died: {cause}]'
