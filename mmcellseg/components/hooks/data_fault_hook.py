"""Data that cannot be read, and workers that die in the middle of training: said with their names and causes."""

import logging
import os
import re
from collections.abc import Callable

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
    """Raise ``DataError`` if images are not there."""
    for dataset in innermost(loader.dataset):
        paths = [dataset.get_data_info(i)['img_path'] for i in range(len(dataset))]
        missing = [path for path in paths if not os.path.isfile(path)]
        if missing:
            raise DataError(
                f'{dataset.ann_file}: {len(missing)} of its {len(paths)} images are not '
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

    def __call__(self, data: dict) -> dict | None:
        index = data['sample_idx']
        try:
            return self.pipeline(data)
        except Exception as error:
            text = f'{data["img_path"]}: cannot be loaded for training ({type(error).__name__}: {error})'
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
    message, cause = str(error), error.__cause__ or error.__context__
    while cause is not None:
        message, cause = f'{message}\n{cause}', cause.__cause__ or cause.__context__
    found = re.search(r'DataLoader worker \(pid\(?s?\)? ([\d, ]+)\)', message)
    if not found:
        return ''
    causes = {
        'Killed': 'it was killed, as a rule out of memory: use fewer workers or smaller images',
        'Bus error': 'shared memory (/dev/shm) is full: enlarge it, or use fewer workers',
        'Segmentation fault': 'a library crashed, as a rule while decoding an image: num_workers=0 shows which',
    }
    killer = re.search(r'killed by signal: ([^.\n]+)', message)
    said = causes.get(killer[1], f'its signal: {killer[1]}') if killer else '; or '.join(causes.values())
    return f'[data worker {found[1].strip()} of process {os.getpid()} died: {said}]'
