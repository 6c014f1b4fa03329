"""Components that tests put into the tiny config through its ``custom_imports``."""

import errno
import os
import signal

import torch
from mmdet.models.task_modules.samplers import RandomSampler
from mmdet.registry import DATA_SAMPLERS, HOOKS, METRICS, TASK_UTILS, TRANSFORMS
from mmengine.evaluator import BaseMetric
from mmengine.fileio.backends import LocalBackend
from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from torch.utils.data import Sampler, get_worker_info


@TASK_UTILS.register_module()
class PerImageSampler(RandomSampler):
    """RoI sampling seeded by the image's boxes, whichever process draws."""

    def sample(self, assign_result, pred_instances, gt_instances, **kwargs):
        torch.manual_seed(int(gt_instances.bboxes.sum() * 100))
        return super().sample(assign_result, pred_instances, gt_instances, **kwargs)


@DATA_SAMPLERS.register_module()
class OrderSampler(Sampler):
    """Draws the given indices in the given order."""

    def __init__(self, dataset, order, seed=None):
        self.order = order

    def __iter__(self):
        return iter(self.order)

    def __len__(self):
        return len(self.order)


@HOOKS.register_module()
class BreakWriteHook(Hook):
    """Breaks the writing of checkpoint number ``count`` in its middle: by a kill, or as a full disk does."""

    priority = 'VERY_HIGH'

    def __init__(self, count, how):
        self.left, self.how = count, how

    def before_train(self, runner):
        put = LocalBackend.put

        def broken(backend, obj, filepath):
            self.left -= 1
            if self.left:
                return put(backend, obj, filepath)
            put(backend, obj[: len(obj) // 2], filepath)
            if self.how == 'kill':
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        LocalBackend.put = broken


@HOOKS.register_module()
class KillHook(Hook):
    """Kills the process before training iteration ``at`` (counted from 0)."""

    def __init__(self, at):
        self.at = at

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


@TRANSFORMS.register_module()
class DieInWorker:
    """Kills the data worker that loads the image of this index."""

    def __init__(self, index):
        self.index = index

    def __call__(self, data):
        if data['sample_idx'] == self.index and get_worker_info() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return data


@METRICS.register_module()
class ScriptedMetric(BaseMetric):
    """Gives the score of the last trained epoch, counted from 0."""

    default_prefix = ''

    def __init__(self, scores):
        super().__init__()
        self.scores = scores

    def process(self, data_batch, data_samples):
        self.results.extend(data_samples)

    def compute_metrics(self, results):
        return {'score': self.scores[MessageHub.get_current_instance().get_info('epoch')]}
