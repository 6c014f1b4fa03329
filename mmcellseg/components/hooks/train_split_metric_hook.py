"""The scores on a fixed part of the training images, beside those of validation."""

import copy

import numpy as np
import torch
from mmdet.registry import HOOKS
from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...data.split import subset
from ...structures.coco import read_coco
from ..config_paths import innermost
from ..metrics.cell_metric import CellMetric


@HOOKS.register_module()
class TrainSplitMetricHook(Hook):
    """Scores a fixed subset of the training images without augmentation after each validation.

    The images go through the validation pipeline and the validation metrics, with the weights that are being
    validated; the figures join the run's metrics as ``train_split/segm_AP50``, … The gap to ``cell/segm_AP50`` is what
    the model has learned by heart. Of concatenated data sets the first counts, for training and for validation.

    Args:
        num_images: Images in the subset, spread evenly over the training set.
    """

    # After the validation epoch, but before its metrics are logged and before EMAHook takes its weights back.
    priority = 'HIGHEST'

    def __init__(self, num_images: int = 20):
        self.num_images = num_images

    def before_train(self, runner: Runner) -> None:
        if runner.cfg.get('val_dataloader') is None:
            raise ValueError('TrainSplitMetricHook: it scores after validation, but there is no val_dataloader')
        train = innermost(runner.train_dataloader.dataset)[0]
        loader = copy.deepcopy(runner.cfg.val_dataloader)
        dataset = loader['dataset'] = innermost(loader['dataset'])[0]
        dataset.update(ann_file=train.ann_file, data_root='', data_prefix=dict(train.data_prefix), test_mode=True)
        coco = read_coco(train.ann_file, strays=True)
        # The training set may have left images out, those without cells first of all; test_mode keeps all of them.
        chosen = np.linspace(0, len(train) - 1, min(len(train), self.num_images)).round().astype(int)
        ids = {train.get_data_info(i)['img_id'] for i in chosen.tolist()}
        dataset['indices'] = [i for i, image in enumerate(coco['images']) if image['id'] in ids]
        self.loader = runner.build_dataloader(loader, seed=0)
        # Only their annotations: CellMetric would warn that most images were not predicted.
        self.evaluator = Evaluator([CellMetric(subset(coco, ids), 'segm', prefix='train_split')])
        self.evaluator.dataset_meta = self.loader.dataset.metainfo

    @torch.no_grad()
    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        if not hasattr(self, 'loader') or metrics is None:
            return
        for batch in self.loader:
            self.evaluator.process(data_samples=runner.model.val_step(batch), data_batch=batch)
        metrics.update(self.evaluator.evaluate(len(self.loader.dataset)))
