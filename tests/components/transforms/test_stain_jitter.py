"""Stain jitter."""

import numpy as np
import pytest

from mmcellseg.components.transforms.stain_jitter import StainJitter, change_stains


def test_stains_left_alone_change_nothing(rng: np.random.Generator):
    image = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    assert (change_stains(image, np.ones(3), np.zeros(3)) == image).all()


def test_more_haematoxylin_darkens_red_most():
    image = np.full((1, 1, 3), (150, 130, 200), np.uint8)
    more = change_stains(image, np.array([1.5, 1, 1]), np.zeros(3))[0, 0].astype(int)
    loss = np.log(image[0, 0] + 1) - np.log(more + 1)
    # Haematoxylin absorbs red and green more than blue, 0.65 : 0.70 : 0.29.
    assert loss[0] / loss[1] == pytest.approx(0.65 / 0.70, rel=0.03)
    assert loss[2] / loss[1] == pytest.approx(0.29 / 0.70, rel=0.06)


def test_stain_jitter_follows_the_seed_and_changes_the_channels_of_bgr(rng: np.random.Generator):
    image = rng.integers(60, 200, (6, 6, 3), dtype=np.uint8)
    np.random.seed(1)
    bgr = StainJitter(prob=1)({'img': image})['img']
    np.random.seed(1)
    np.random.rand()  # whether it is changed
    factor, offset = np.random.uniform(0.8, 1.2, 3), np.random.uniform(-0.05, 0.05, 3)
    assert (bgr == change_stains(image[..., ::-1], factor, offset)[..., ::-1]).all()
    assert (bgr != image).any()
    assert (StainJitter(prob=0)({'img': image})['img'] == image).all()
