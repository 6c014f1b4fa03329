import numpy as np
import pytest
from drawn_cells import random_case

from mmcellseg.evaluation.evaluate import Evaluation
from mmcellseg.evaluation.intervals import bootstrap_intervals


def test_the_mean_of_many_images_has_the_interval_of_the_normal_law() -> None:
    values = np.random.default_rng(0).normal(5, 2, 400)
    error = values.std() / 20
    (interval,) = bootstrap_intervals(lambda drawn: {'mean': values[drawn].mean()}, 400, resamples=4000).values()
    assert interval == pytest.approx((values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=0.02)


def test_two_images_by_hand_and_draws_without_a_figure() -> None:
    """Of four equally likely draws the means are 0, 0.5, 0.5 and 1."""
    values = np.array([0.0, 1.0])
    assert bootstrap_intervals(lambda drawn: {'mean': values[drawn].mean()}, 2) == {'mean': (0.0, 1.0)}
    out = bootstrap_intervals(lambda drawn: {'x': 2.0 if (drawn == 1).any() else np.nan}, 3, 200)
    assert out == {'x': (2.0, 2.0)}


def test_intervals_are_the_same_each_time_and_hold_the_figures() -> None:
    data, results = random_case(np.random.default_rng(30), most=60)
    evaluation = Evaluation(results, data, metrics=['segm', 'panoptic'])
    first, second = (bootstrap_intervals(evaluation.figures, 5, resamples=40) for _ in range(2))
    assert repr(first) == repr(second)
    figures = evaluation.figures()
    for key in ('segm_AP50', 'bPQ', 'Dice', 'F1'):
        low, high = first[key]
        assert low < figures[key] < high, key
    assert np.isnan(first['segm_AP_class4']).all()  # no such cells
