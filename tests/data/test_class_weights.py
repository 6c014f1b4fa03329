"""The class balance, worked by hand."""

from math import log, sqrt

import numpy as np
import pytest

from mmcellseg.data.class_weights import WEIGHTINGS, class_weights, expected_shares, exposure_table, image_weights

REAL_COUNTS = [14537, 15653, 630, 587]  # N = 31,407


@pytest.mark.parametrize(
    ('weighting', 'expected'),
    [
        # N / n = 8 / 4, 8 / 3, 8 / 1
        ('log', [log(3), log(1 + 8 / 3), log(9)]),
        ('sqrt', [sqrt(2), sqrt(8 / 3), sqrt(8)]),
        ('inverse', [2, 8 / 3, 8]),
        ('none', [1, 1, 1]),
    ],
)
def test_class_weights_by_hand(weighting, expected):
    np.testing.assert_allclose(class_weights([4, 3, 1], weighting), expected, rtol=1e-15)


def test_class_weights_on_the_real_counts_and_absent_classes():
    # 31407 / n_c = 2.160487, 2.006452, 49.852381, 53.504259; log(1 + ratio):
    np.testing.assert_allclose(class_weights(REAL_COUNTS), [1.150726, 1.100761, 3.928927, 3.998280], atol=1e-6)
    np.testing.assert_allclose(class_weights(REAL_COUNTS, 'inverse')[2], 31407 / 630)
    for weighting in WEIGHTINGS:
        weights = class_weights([5, 0], weighting)
        assert weights[0] > weights[1] == 0
    assert class_weights([0, 0]).tolist() == [0, 0]
    assert class_weights([]).tolist() == []


@pytest.mark.parametrize(
    ('counts', 'weighting', 'message'),
    [
        ([1, 2], 'linear', "unknown weighting 'linear': expected one of log, sqrt, inverse, none"),
        ([1, -2], 'log', 'must be whole numbers ≥ 0, found -2 for class 1'),
        ([1.5], 'log', 'found 1.5 for class 0'),
        ([float('nan')], 'log', 'found nan for class 0'),
    ],
)
def test_bad_input_is_named(counts, weighting, message):
    with pytest.raises(ValueError, match=message):
        class_weights(counts, weighting)


def test_image_weights_by_hand():
    counts = np.array([[4, 0], [3, 1], [0, 2], [0, 0]])
    weights = [1.0, 3.0]
    # present: {0}, {0, 1}, {1}, none (as light as the lightest)
    assert image_weights(counts, weights, 'class').tolist() == [1, 2, 3, 1]
    # per instance: 4·1/4, (3·1 + 1·3)/4, 2·3/2
    assert image_weights(counts, weights, 'instance').tolist() == [1, 1.5, 3, 1]
    assert image_weights(np.zeros((2, 3)), [0, 0, 0]).tolist() == [1, 1]
    assert image_weights(np.array([[4], [5]]), class_weights([9])).tolist() == [log(2), log(2)]  # a single class
    with pytest.raises(ValueError, match="unknown image weighting 'cell': expected one of class, instance"):
        image_weights(np.ones((1, 1)), [1], 'cell')


def test_expected_shares_by_hand():
    counts = np.array([[8, 0], [1, 1]])
    assert expected_shares(counts).tolist() == [0.9, 0.1]
    # p = 1/4, 3/4: cells 8/4 + 3/4 = 2.75 and 0.75 of 3.5
    np.testing.assert_allclose(expected_shares(counts, [1, 3]), [2.75 / 3.5, 0.75 / 3.5])
    assert expected_shares(np.zeros((2, 2))).tolist() == [0, 0]


def test_table_shows_every_number():
    counts = np.array([[8, 0], [1, 1]])
    lines = exposure_table(['common', 'rare'], counts, [0.5, 2.25], np.array([1.0, 3.0])).splitlines()
    assert lines[0].split() == ['class', 'instances', 'images', 'weight', 'plain', 'share', 'balanced', 'share']
    assert lines[2].split() == ['common', '9', '2', '0.500', '90.00%', '78.57%']
    assert lines[3].split() == ['rare', '1', '1', '2.250', '10.00%', '21.43%']
    assert lines[4].split() == ['all', '10', '2', '100%', '100%']
