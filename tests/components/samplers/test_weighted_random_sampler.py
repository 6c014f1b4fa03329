"""The draws: of which images, by which rank, and again after a resume."""

from itertools import islice

import numpy as np
import pytest
from torch.utils.data import BatchSampler

from mmcellseg.components.samplers import weighted_random_sampler
from mmcellseg.components.samplers.weighted_random_sampler import (
    InfiniteWeightedRandomSampler,
    WeightedRandomSampler,
    weighted_draw,
)
from mmcellseg.data.class_weights import class_weights, expected_shares, image_weights, shares


class Weighted:
    def __init__(self, weights):
        self.image_weights = weights

    def __len__(self):
        return len(self.image_weights)


def as_rank(monkeypatch, rank, world_size):
    monkeypatch.setattr(weighted_random_sampler, 'get_dist_info', lambda: (rank, world_size))


def test_draws_follow_the_weights_and_depend_on_seed_and_epoch_only():
    weights = np.array([1.0, 0.0, 3.0, 4.0])
    drawn = np.bincount(weighted_draw(weights, 80_000, seed=3, epoch=0), minlength=4)
    assert drawn[1] == 0
    # standard deviations of the shares are at most sqrt(.25 / 80000) = 0.0018: five of them
    np.testing.assert_allclose(drawn / 80_000, weights / 8, atol=0.009)
    weights = np.arange(1.0, 21)
    first = weighted_draw(weights, 20, 0, 1).tolist()
    np.random.default_rng(9).random(5)
    assert first == weighted_draw(weights, 20, 0, 1).tolist()
    # not a function of seed + epoch, which would give run 1 the epochs of run 0
    assert first not in (weighted_draw(weights, 20, 1, 0).tolist(), weighted_draw(weights, 20, 0, 2).tolist())


def test_drawn_shares_of_cells_are_the_expected_ones():
    """Over 400 epochs the classes' shares of the drawn cells come within 1.5 percentage points of the expected."""
    rng = np.random.default_rng(0)
    counts = np.column_stack([rng.poisson(50, 40), rng.poisson(5, 40) * (rng.random(40) < 0.2)])
    weights = class_weights(counts.sum(0))
    sampler = WeightedRandomSampler(Weighted(image_weights(counts, weights)), seed=0)
    drawn = sum(counts[sampler.draw(epoch)].sum(0) for epoch in range(400))
    expected = expected_shares(counts, sampler.weights)
    np.testing.assert_allclose(shares(drawn), expected, atol=0.015)
    # far from the plain share, so that the tolerance could not hide a draw that ignores the weights
    assert expected[1] > expected_shares(counts)[1] + 0.015


@pytest.mark.parametrize('kind', [WeightedRandomSampler, InfiniteWeightedRandomSampler])
def test_each_rank_takes_its_positions_of_one_draw(monkeypatch, kind):
    dataset = Weighted(np.arange(1.0, 8))
    common = weighted_draw(dataset.image_weights, 7, 5, 0).tolist()
    padded = [*common, *common[:2]]  # 7 images over 3 ranks: 9 positions, filled up from the start
    for rank in range(3):
        as_rank(monkeypatch, rank, 3)
        sampler = kind(dataset, seed=5)
        assert len(sampler) == 3
        assert list(islice(sampler, 3)) == padded[rank::3]


def test_without_replacement_every_image_is_drawn_once():
    sampler = WeightedRandomSampler(Weighted(np.array([1.0, 9, 1, 1, 1])), seed=0, replacement=False)
    assert sorted(sampler) == [0, 1, 2, 3, 4]
    few = WeightedRandomSampler(Weighted(np.array([1.0, 0, 1])), seed=0, replacement=False, num_samples=2)
    assert sorted(few) == [0, 2]
    assert len(list(WeightedRandomSampler(Weighted(np.ones(3)), seed=0, num_samples=10))) == 10


def test_a_resumed_epoch_draws_as_the_one_left_alone():
    sampler = WeightedRandomSampler(Weighted(np.arange(1.0, 10)), seed=1)
    epochs = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        epochs.append(list(sampler))
    resumed = WeightedRandomSampler(Weighted(np.arange(1.0, 10)), seed=1)
    resumed.set_epoch(2)
    assert list(resumed) == epochs[2]
    assert epochs[0] != epochs[1] != epochs[2]


def test_an_endless_draw_goes_on_where_it_ended():
    alone = list(islice(InfiniteWeightedRandomSampler(Weighted(np.arange(1.0, 6)), seed=2), 17))
    for seen in (0, 1, 5, 12):
        resumed = InfiniteWeightedRandomSampler(Weighted(np.arange(1.0, 6)), seed=2)
        resumed.skip(seen)
        assert list(islice(resumed, 17 - seen)) == alone[seen:]


def test_mmengine_resumes_an_iteration_based_loop_cheaply():
    from mmengine.runner.loops import _InfiniteDataloaderIterator
    from torch.utils.data import DataLoader

    def loader():
        dataset = Weighted(np.arange(1.0, 6))
        dataset.__class__.__getitem__ = lambda self, i: i
        sampler = InfiniteWeightedRandomSampler(dataset, seed=2)
        return DataLoader(dataset, batch_sampler=BatchSampler(sampler, 3, drop_last=False))

    alone = _InfiniteDataloaderIterator(loader())
    batches = [next(alone).tolist() for _ in range(5)]
    resumed = _InfiniteDataloaderIterator(loader())
    resumed.skip_iter(3)
    assert [next(resumed).tolist() for _ in range(2)] == batches[3:]


@pytest.mark.parametrize(
    ('weights', 'arguments', 'error', 'message'),
    [
        (None, {}, TypeError, "wrap it, dict.type='ClassWeightedDataset'"),
        (np.array([1.0, np.nan]), {}, ValueError, 'finite, none negative'),
        (np.array([1.0, -1]), {}, ValueError, 'finite, none negative'),
        (np.zeros(2), {}, ValueError, 'not all zero'),
        (np.array([1.0, 0]), {'replacement': False}, ValueError, 'only 1 have a weight above 0'),
    ],
)
def test_bad_input_is_refused(weights, arguments, error, message):
    dataset = [0, 1] if weights is None else Weighted(weights)
    with pytest.raises(error, match=message):
        WeightedRandomSampler(dataset, seed=0, **arguments)
