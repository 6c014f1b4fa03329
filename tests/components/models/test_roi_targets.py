import numpy as np
import pytest
import torch
from mmdet.structures.mask import BitmapMasks

from mmcellseg.components.box_masks import BoxMasks
from mmcellseg.components.models import roi_targets


def proposals(rng: np.random.Generator, number: int, low: float, high: float, longest: float) -> np.ndarray:
    corner = rng.uniform(low, high, (number, 2))
    return np.concatenate([corner, corner + rng.uniform(1, longest, (number, 2))], axis=1).astype(np.float32)


def scene(rng: np.random.Generator, height: int, width: int, number: int, largest: float) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    centre, radius = rng.uniform(0, [height, width], (number, 2)), rng.uniform(0.4, largest, number)
    return np.stack([((y - cy) ** 2 + (x - cx) ** 2 <= r * r).astype(np.uint8) for (cy, cx), r in zip(centre, radius)])


def assert_targets_agree(full: np.ndarray, boxes: np.ndarray, owners: np.ndarray, shape: tuple[int, int]) -> None:
    ours, stock = BoxMasks.from_bitmaps(full), BitmapMasks(full, *full.shape[1:])
    soft = [m.crop_and_resize(boxes, shape, owners, binarize=False).masks for m in (ours, stock)]
    hard = [m.crop_and_resize(boxes, shape, owners).masks for m in (ours, stock)]
    assert soft[0].shape == soft[1].shape
    assert hard[0].dtype == hard[1].dtype
    np.testing.assert_allclose(soft[0], soft[1], rtol=0, atol=1e-3)
    clear = np.abs(soft[1] - 0.5) > 1e-3
    np.testing.assert_array_equal(hard[0][clear], hard[1][clear])


@pytest.mark.parametrize('outside', [False, True])
@pytest.mark.parametrize('elements', [1, 1 << 22])
def test_equal_to_roi_align(rng, monkeypatch, outside, elements):
    monkeypatch.setattr(roi_targets, '_ELEMENTS', elements)
    for _ in range(40):
        height, width = rng.integers(3, 150, 2)
        full = scene(rng, height, width, int(rng.integers(1, 9)), rng.uniform(1, 40))
        number = int(rng.integers(1, 12))
        margin = 20 * outside
        corner = rng.uniform(-margin, [width + margin, height + margin], (number, 2))
        boxes = np.concatenate([corner, corner + rng.uniform(0, 70, (number, 2))], axis=1).astype(np.float32)
        if not outside:
            boxes = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
        shape = tuple(rng.integers(1, 30, 2).tolist())
        assert_targets_agree(full, boxes, rng.integers(0, len(full), number), shape)


def test_hand_computed():
    # A box that is exactly the 2×2 px mask, sampled at its pixel centres
    masks = BoxMasks.from_bitmaps(np.pad(np.ones((1, 2, 2), np.uint8), ((0, 0), (3, 5), (4, 4))))
    soft = masks.crop_and_resize(np.float32([[4, 3, 6, 5], [5, 3, 7, 5]]), (2, 2), np.array([0, 0]), binarize=False)
    assert soft.masks.tolist() == [[[1, 1], [1, 1]], [[1, 0], [1, 0]]]


def test_nothing_to_do():
    masks = BoxMasks.random(2, 8, 8)
    boxes = np.zeros((0, 4), np.float32)
    for some in (masks, masks[:0]):
        assert some.crop_and_resize(boxes, (4, 5), np.zeros(0, int)).masks.shape == (0, 4, 5)
    empty = BoxMasks.from_bitmaps(np.zeros((1, 8, 8), np.uint8))
    assert empty.crop_and_resize(np.float32([[0, 0, 5, 5]]), (4, 4), np.array([0])).masks.sum() == 0


def test_exact_under_autocast(rng):
    full = scene(rng, 64, 80, 6, 12)
    boxes = proposals(rng, 20, 0, 50, 30)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert_targets_agree(full, boxes, rng.integers(0, 6, 20), (28, 28))


@pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU')
def test_on_a_gpu(rng):
    full = scene(rng, 90, 110, 8, 25)
    boxes = proposals(rng, 40, 0, 60, 40)
    owners = rng.integers(0, 8, 40)
    stock = BitmapMasks(full, 90, 110).crop_and_resize(boxes, (28, 28), owners, 'cuda', binarize=False).masks
    for b, o in ((boxes, owners), (torch.from_numpy(boxes).cuda(), torch.from_numpy(owners).cuda())):
        ours = BoxMasks.from_bitmaps(full).crop_and_resize(b, (28, 28), o, 'cuda', binarize=False).masks
        np.testing.assert_allclose(ours, stock, rtol=0, atol=1e-3)
