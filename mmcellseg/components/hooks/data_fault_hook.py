"""Images that cannot be read in the middle of training."""

import torch
from mmdet.registry import HOOKS
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from ..datasets.faults import GuardedPipeline, check_image_files
from ..datasets.innermost import innermost


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
            self._check(runner.val_dataloader)
        if not self.skip_corrupt:
            self._check(runner.train_dataloader)
        self.guarded = []
        for dataset in innermost(runner.train_dataloader.dataset):
            skipped = torch.zeros(len(dataset), dtype=torch.uint8).share_memory_()
            dataset.pipeline = GuardedPipeline(dataset.pipeline, self.skip_corrupt, skipped)
            self.guarded.append((dataset, skipped))

    def before_test(self, runner: Runner) -> None:
        self._check(runner.test_dataloader)

    def _check(self, loader: DataLoader) -> None:
        for dataset in innermost(loader.dataset):
            check_image_files(dataset)

    def after_train_epoch(self, runner: Runner) -> None:
        names = []
        for dataset, skipped in self.guarded:
            anywhere = skipped.int()
            all_reduce(anywhere, 'max')
            names += [dataset.get_data_info(int(i))['img_path'] for i in anywhere.nonzero()]
        runner.message_hub.update_info('skipped_images', names)
        if names:
            runner.logger.warning(f'{len(names)} images could not be read and were skipped: {", ".join(names)}')
