"""Heads and data must speak of the same classes."""

from typing import Any

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..models.unwrap import unwrapped


def check_num_classes(model: Any, classes: tuple[str, ...], source: str) -> None:
    """Compare ``num_classes`` of the box and mask heads with the data set's classes.

    Args:
        model: A detector with a ``roi_head``; others are left alone.
        classes: Names of the data set's classes.
        source: The data set's annotation file, for the message.

    Raises:
        ValueError: If they differ. Too few would fail in the loss, too many only in the first validation.
    """
    heads = getattr(model, 'roi_head', None)
    for name, module in [] if heads is None else heads.named_modules():
        found = getattr(module, 'num_classes', None)
        if found is not None and name.split('.')[0] in ('bbox_head', 'mask_head') and found != len(classes):
            raise ValueError(
                f"the model's roi_head.{name} has num_classes={found}, but {source} has {len(classes)} classes "
                f'({", ".join(classes)}): set num_classes={len(classes)} in every box and mask head'
            )


@HOOKS.register_module()
class ClassCountHook(Hook):
    """Refuses a run before its first step if the model's heads do not fit the classes of its data."""

    priority = 'VERY_HIGH'

    def _check(self, runner: Runner, dataset: Any) -> None:
        classes = tuple((getattr(dataset, 'metainfo', None) or {}).get('classes', ()))
        if classes:
            check_num_classes(unwrapped(runner.model), classes, str(getattr(dataset, 'ann_file', 'the data set')))

    def before_train(self, runner: Runner) -> None:
        self._check(runner, runner.train_dataloader.dataset)

    def before_val(self, runner: Runner) -> None:
        self._check(runner, runner.val_dataloader.dataset)

    def before_test(self, runner: Runner) -> None:
        self._check(runner, runner.test_dataloader.dataset)
