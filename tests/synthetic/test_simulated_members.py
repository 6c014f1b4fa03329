"""The simulator: a perfect member is the truth, and every imperfection does what it says."""

from dataclasses import replace

import numpy as np
import pytest

from mmcellseg.ensemble.detections import Detections
from mmcellseg.structures.masks import InstanceMasks
from mmcellseg.synthetic.members import Imperfection, simulate_image

PERFECT = Imperfection(**dict.fromkeys(Imperfection.__dataclass_fields__, 0.0) | {'score_slope': 4.0})
SIZE = (120, 160)


@pytest.fixture
def cells():
    """30 discs on a grid, apart from each other."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    centres = [(12 + 22 * i, 12 + 26 * j) for i in range(5) for j in range(6)]
    bitmaps = np.array([(y - a) ** 2 + (x - b) ** 2 <= 64 for a, b in centres], np.uint8)
    return InstanceMasks.from_bitmaps(bitmaps), np.arange(30) % 3 + 1


def simulated(cells, member=0, seed=0, **changes):
    made = simulate_image(*cells, [1, 2, 3], 1, member, seed, replace(PERFECT, **changes))
    return Detections.from_entries([made], *SIZE)


def test_a_perfect_member_is_the_truth(cells):
    found = simulated(cells)
    np.testing.assert_array_equal(found.masks.to_ndarray(), cells[0].to_ndarray())
    assert found.labels.tolist() == cells[1].tolist()
    np.testing.assert_allclose(found.scores, 1 / (1 + np.exp(-4 * 0.45)))


def test_rates_are_rates(cells):
    def number(**changes):
        return np.mean([len(simulated(cells, m, **changes)) for m in range(25)]) / 30

    assert 0.65 < number(missed=0.3) < 0.75
    assert 1.13 < number(duplicated=0.2) < 1.25
    assert 1.13 < number(split=0.2) < 1.25
    assert 1.15 < number(false_positives=0.2) < 1.25
    wrong = [np.mean(simulated(cells, m, confused=0.2).labels != cells[1]) for m in range(25)]
    assert 0.15 < np.mean(wrong) < 0.25


def test_masks_shrink_shift_and_split(cells):
    small = simulated(cells, erosion=0.1).masks.areas  # 0.1 × √197 px = 1.4 px off the radius of 8
    assert 0.55 < small.mean() / 197 < 0.8
    shifted = simulated(cells, shift=0.2).masks
    assert (shifted.areas == 197).mean() > 0.8  # some leave the image
    assert (shifted.boxes != cells[0].boxes).any(axis=1).mean() > 0.8
    halves = simulated(cells, split=1.0).masks.areas.reshape(-1, 2)
    assert (halves.sum(axis=1) == 197).all()


def test_touching_cells_merge():
    bitmaps = np.zeros((2, *SIZE), np.uint8)
    bitmaps[0, 10:20, 10:20] = bitmaps[1, 10:20, 20:30] = 1
    pair = InstanceMasks.from_bitmaps(bitmaps), np.array([1, 2])
    assert simulated(pair, merged=1.0).masks.areas.tolist() == [200]


def test_shared_errors_are_the_same_for_all_members(cells):
    def found(shared):
        return [set(simulated(cells, m, missed=0.5, shared=shared).masks.boxes[:, 0].tolist()) for m in range(6)]

    everyone, apart = found(1.0), found(0.0)
    assert all(boxes == everyone[0] for boxes in everyone)
    counts = [len(simulated(cells, m, missed=0.5, shared=0.0)) for m in range(6)]
    assert len(set(counts)) > 1 or any(boxes != apart[0] for boxes in apart)


def test_seeds(cells):
    def entries(seed):
        return [simulate_image(*cells, [1, 2, 3], image, member, seed) for member in range(3) for image in (1, 2)]

    one = entries(0)
    assert one == entries(0) != entries(1)
    assert one[0] != one[2]
    assert [{entry['image_id'] for entry in made} for made in one] == [{1}, {2}] * 3
    assert all(0.05 <= entry['score'] <= 1 for made in one for entry in made)
