"""Random numbers that depend on the place in the run only, so that a resumed run repeats them."""

import random
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch.utils.data import get_worker_info

_EPOCH, _MODEL, _WORKER = range(3)


def _seed_everything(*key: int) -> None:
    """Seed Python, NumPy and torch (all devices) from several numbers."""
    state = [int(n) for n in np.random.SeedSequence(key).generate_state(3)]
    random.seed(state[0])
    np.random.seed(state[1])
    torch.manual_seed(state[2])


def _seed_worker(
    worker_id: int, seed: int, rank: int, place: torch.Tensor, before: Callable[[int], None] | None
) -> None:
    """Make a data worker, a persistent one too, reseed itself at the first batch of every epoch.

    ``place`` is shared memory that holds the epoch. The fetcher asks a data set for a batch through
    ``__getitems__`` where it has one; here it gets one, in this worker only.
    """
    if before is not None:
        before(worker_id)
    dataset = get_worker_info().dataset  # type: ignore[union-attr]
    fetch = getattr(dataset, '__getitems__', lambda indices: [dataset[i] for i in indices])
    seeded = -1

    def items(indices: list[int]) -> list:
        nonlocal seeded
        if seeded != int(place):
            seeded = int(place)
            _seed_everything(seed, seeded, rank, _WORKER, worker_id)
        return fetch(indices)

    dataset.__getitems__ = items


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Reseeds the process and its data workers from (seed, epoch, rank) at the start of every epoch.

    With it, an epoch-based run that was killed and resumed ends bit-equal to one left alone (on the CPU, with the same
    seed and number of workers), and workers do not repeat the same augmentations every epoch. An iteration-based
    run is seeded from the iteration it starts at: resumed, it draws the same images, with other augmentations.
    """

    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self.place = torch.zeros(1, dtype=torch.int64).share_memory_()

    def before_train(self, runner: Runner) -> None:
        loader = runner.train_dataloader
        loader.worker_init_fn = partial(
            _seed_worker, seed=runner.seed, rank=runner.rank, place=self.place, before=loader.worker_init_fn
        )
        # A resumed run has the checkpoint's seed, but its sampler was built before that was known.
        own_seed = 'seed' in ((runner.cfg.get('train_dataloader') or {}).get('sampler') or {})
        by_rank = (runner.cfg.get('randomness') or {}).get('diff_rank_seed')
        sampler = getattr(loader.batch_sampler, 'sampler', loader.sampler)
        if hasattr(sampler, 'seed') and not own_seed and not by_rank:
            sampler.seed = runner.seed

    def before_train_epoch(self, runner: Runner) -> None:
        by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
        self.place.fill_(runner.epoch if by_epoch else runner.iter)
        self.model_is_seeded = False
        _seed_everything(runner.seed, int(self.place), runner.rank, _EPOCH)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        # Starting workers draws from this process's generator, and persistent workers start once only.
        if not self.model_is_seeded:
            self.model_is_seeded = True
            _seed_everything(runner.seed, int(self.place), runner.rank, _MODEL)
