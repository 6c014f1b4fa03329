"""Samplers that draw images by the weights of their data set."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from mmdet.registry import DATA_SAMPLERS
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler


def weighted_draw(weights: np.ndarray, num_samples: int, seed: int, epoch: int, replacement: bool = True) -> np.ndarray:
    """The image indices (num_samples,) of one epoch, by weights (I,) ≥ 0: a function of its arguments alone."""
    generator = np.random.default_rng([seed, epoch])
    return generator.choice(len(weights), num_samples, replacement, weights / weights.sum())


def find_image_weights(dataset: Any) -> np.ndarray:
    """``image_weights`` of a data set; what cannot be drawn by is refused."""
    if not hasattr(dataset, 'image_weights'):
        raise TypeError(
            f'{type(dataset).__name__} has no image_weights: wrap it, '
            "dict(type='ClassWeightedDataset', dataset=...), to draw its images by weight"
        )
    weights = np.asarray(dataset.image_weights, dtype=np.float64)
    if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        raise ValueError('image_weights must be finite, none negative and not all zero')
    return weights


@DATA_SAMPLERS.register_module()
class WeightedRandomSampler(Sampler):
    """Draws images by ``dataset.image_weights``, for epoch-based training.

    All ranks share one draw a epoch, which depends on the seed and the epoch only; rank r of w takes its positions
    r, r + w, r + 2w, … As with the stock samplers, the draw is filled up from its own start until it divides evenly.

    Args:
        dataset: A data set with ``image_weights``, such as ``ClassWeightedDataset``.
        seed: The same on every rank; None: agreed on by all ranks.
        num_samples: Images drawn an epoch over all ranks; None: as many as the data set holds.
        replacement: Whether an image may be drawn more than once an epoch. Without replacement, and with
            ``num_samples`` left None, every image is drawn once and the weights only order them.
    """

    def __init__(
        self, dataset: Any, seed: int | None = None, num_samples: int | None = None, replacement: bool = True
    ) -> None:
        self.dataset, self.weights = dataset, find_image_weights(dataset)
        self.seed = sync_random_seed() if seed is None else seed
        self.replacement = replacement
        self.rank, self.world_size = get_dist_info()
        self.epoch_size = len(dataset) if num_samples is None else num_samples
        drawable = np.count_nonzero(self.weights)
        if not replacement and self.epoch_size > drawable:
            raise ValueError(
                f'cannot draw {self.epoch_size} images without replacement: only {drawable} have a weight above 0'
            )
        self.num_samples = math.ceil(self.epoch_size / self.world_size)
        self.epoch = 0

    def draw(self, epoch: int) -> np.ndarray:
        """The common draw of an epoch: (num_samples × world_size,) indices of all ranks."""
        drawn = weighted_draw(self.weights, self.epoch_size, self.seed, epoch, self.replacement)
        return np.resize(drawn, self.num_samples * self.world_size)  # repeats from the start

    def _of_rank(self, epoch: int) -> list[int]:
        return self.draw(epoch)[self.rank :: self.world_size].tolist()

    def __iter__(self) -> Iterator[int]:
        return iter(self._of_rank(self.epoch))

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Called by the loop before each epoch, after a resume too."""
        self.epoch = epoch


@DATA_SAMPLERS.register_module()
class InfiniteWeightedRandomSampler(WeightedRandomSampler):
    """The same draws one after the other without end, for iteration-based training.

    mmengine's iteration-based loop calls :meth:`skip` on resume, so that a resumed run goes on with the draw at which
    it ended, without loading what was seen already.
    """

    start = 0

    def __iter__(self) -> Iterator[int]:
        epoch, position = divmod(self.start, self.num_samples)
        yield from self._of_rank(epoch)[position:]
        for later in itertools.count(epoch + 1):
            yield from self._of_rank(later)

    def skip(self, num_samples: int) -> None:
        """Begin at this position of the rank's endless draw, counted from the start of the run."""
        self.start = num_samples

    def set_epoch(self, epoch: int) -> None:
        """Without effect: the draw has no end."""
