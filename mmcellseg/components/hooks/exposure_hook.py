"""How many cells of each class a training run gets to see."""

import numpy as np
import torch
from mmdet.registry import HOOKS
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...data.class_weights import class_weights, expected_shares, exposure_table, shares, text_table
from ..datasets.class_weighted_dataset import instance_counts


@HOOKS.register_module()
class ExposureHook(Hook):
    """Logs the class balance: what is expected before training, what was drawn and seen after each epoch.

    *Drawn* counts the annotated cells of the images in the batches, *seen* the labels that reached the model after
    crops and augmentation; both over all ranks. The last shares are also in the message hub under ``'exposure'``. To an
    iteration-based loop the whole training is one epoch.
    """

    priority = 'LOW'

    def before_train(self, runner: Runner) -> None:
        loader = runner.train_dataloader
        dataset = loader.dataset
        self.names = list(dataset.metainfo['classes'])
        counts = getattr(dataset, 'image_counts', None)
        self.counts = instance_counts(dataset) if counts is None else counts
        # Only a sampler that draws by weight makes the balance other than plain.
        drawn_by = getattr(getattr(loader.batch_sampler, 'sampler', loader.sampler), 'weights', None)
        weights = getattr(dataset, 'class_weights', None)
        if weights is None:
            weights = class_weights(self.counts.sum(0), 'none')
        self.expected = expected_shares(self.counts, drawn_by)
        table = exposure_table(self.names, self.counts, weights, drawn_by)
        runner.logger.info(f'Class balance of the training images:\n{table}')
        self.row_of = {dataset.get_data_info(i)['img_path']: i for i in range(len(dataset))}
        self.found = np.zeros((2, len(self.names)), dtype=np.int64)  # drawn, seen
        self._publish(runner)

    def _publish(self, runner: Runner, **measured: list[float]) -> None:
        expected = {
            'classes': self.names,
            'instances': self.counts.sum(0).tolist(),
            'images': (self.counts > 0).sum(0).tolist(),
            'expected_share': self.expected.tolist(),
        }
        runner.message_hub.update_info('exposure', expected | measured)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        for sample in data_batch['data_samples']:
            self.found[0] += self.counts[self.row_of[sample.img_path]]
            self.found[1] += np.bincount(sample.gt_instances.labels.cpu().numpy(), minlength=len(self.names))

    def after_train_epoch(self, runner: Runner) -> None:
        both = torch.from_numpy(self.found.copy())
        all_reduce(both)
        drawn, seen = both.cpu().numpy()
        self.found[:] = 0
        columns = zip(self.names, self.expected, shares(drawn), shares(seen), drawn, seen)
        rows = [(n, f'{e:.2%}', f'{d:.2%}', f'{s:.2%}', f'{a:,}', f'{b:,}') for n, e, d, s, a, b in columns]
        head = ('class', 'expected share', 'drawn share', 'seen share', 'cells drawn', 'cells seen')
        runner.logger.info(f'Exposure of epoch {runner.epoch + 1}:\n{text_table(head, rows)}')
        self._publish(runner, drawn_share=shares(drawn).tolist(), seen_share=shares(seen).tolist())
