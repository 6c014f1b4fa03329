"""The losses of the validation images, beside their scores."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmdet.registry import HOOKS
from mmengine.dist import all_gather_object
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..config_paths import innermost
from ..models.unwrap import unwrapped


def check_pipeline(pipeline: Sequence[Any]) -> None:
    """Refuse a validation pipeline that loads no annotations, or after an image has been resized.

    MMDetection's test pipelines do so, and the boxes and masks would stay in the pixels of the original image.
    """
    names = [type(transform).__name__ for transform in pipeline]
    loads = [i for i, name in enumerate(names) if name.endswith('Annotations')]
    if not loads:
        raise ValueError(
            f'ValidationLossHook: the validation pipeline {names} loads no annotations, so there is no loss: '
            "put dict(type='LoadCellAnnotations') right after LoadTiffImage"
        )
    early = [name for name in names[: loads[0]] if 'Resize' in name or 'Pad' in name or 'Crop' in name]
    if early:
        raise ValueError(
            f'ValidationLossHook: in the validation pipeline {names} {early[0]} comes before {names[loads[0]]}, so the '
            f'cells would stay in the pixels of the original image: put {names[loads[0]]} right after the image loader'
        )


@torch.no_grad()
def image_losses(model: torch.nn.Module, data_batch: dict, index: int, seed: int) -> dict[str, float]:
    """``loss``, the sum that training would descend, and its parts, of one image, with the model as it is.

    The image is fed alone, so that its losses do not depend on what else is in the batch, and RoIs are sampled from
    ``seed``, so that epochs can be compared.
    """
    one = {key: [data_batch[key][index]] for key in ('inputs', 'data_samples')}
    data = model.data_preprocessor(one, training=True)  # pads the masks as in training
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        _, parts = model.parse_losses(model(**data, mode='loss'))
    return {name: float(value) for name, value in parts.items()}


@HOOKS.register_module()
class ValidationLossHook(Hook):
    """Adds ``val_loss`` and its parts (``val_loss_cls``, ``val_loss_mask``, …) to the validation metrics.

    The loss function is the training's; the weights are those that are being validated (an EMAHook's average, if there
    is one); the mean is over images, over all ranks. It runs before the hooks that log, keep the best checkpoint or
    stop early, so that ``save_best='val_loss'`` and ``EarlyStoppingHook(monitor='val_loss')`` see it. The validation
    pipeline must load annotations, see :func:`check_pipeline`; validation takes about twice as long.
    """

    # RuntimeInfoHook (VERY_HIGH) copies the metrics for the log: ours must be in them by then.
    priority = 'HIGHEST'

    def before_run(self, runner: Runner) -> None:
        # The log would show the mean of all validations so far: mmengine smooths whatever is called a loss.
        processor = runner.log_processor
        processor.mean_pattern = re.compile(r'^(?!.*val_loss)(?:' + processor.mean_pattern.pattern + ')')

    def before_train(self, runner: Runner) -> None:
        if runner.val_loop is None:
            raise ValueError('ValidationLossHook: there is no validation split (val_dataloader); leave the hook out')
        self.before_val(runner)

    def before_val(self, runner: Runner) -> None:
        for dataset in innermost(runner.val_dataloader.dataset):
            check_pipeline(dataset.pipeline.transforms)

    def before_val_epoch(self, runner: Runner) -> None:
        self.losses: dict[Any, dict[str, float]] = {}

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        for index, sample in enumerate(data_batch['data_samples']):
            # The seed is the image's own place among the ids, the same on any rank and in any epoch.
            seed = int(sample.img_id) if str(sample.img_id).isdigit() else batch_idx
            self.losses[sample.img_id] = image_losses(unwrapped(runner.model), data_batch, index, seed)

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        # Ranks may have been given an image twice to even out their shares: by its id it counts once.
        merged = {image: losses for part in all_gather_object(self.losses) for image, losses in part.items()}
        if metrics is None or not merged:
            return
        images = [merged[image] for image in sorted(merged)]
        for name in (n for n in images[0] if 'loss' in n):
            metrics[name.replace('loss', 'val_loss', 1)] = float(np.mean([losses[name] for losses in images]))
