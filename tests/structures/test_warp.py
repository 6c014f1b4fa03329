import numpy as np
import pytest
from mmdet.structures.mask import BitmapMasks

from mmcellseg.structures import warp
from mmcellseg.structures.box_masks import BoxMasks


def discs(rng: np.random.Generator, number: int, height: int, width: int, largest: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    masks = np.zeros((number, height, width), np.uint8)
    for mask in masks:
        cy, cx, r = rng.integers(0, height), rng.integers(0, width), rng.integers(0, largest)
        mask[:] = ((y - cy) ** 2 + (x - cx) ** 2 <= r * r) & (rng.random((height, width)) < 0.9)
    return masks


def stock_in_chunks(full: np.ndarray, apply) -> np.ndarray:
    """The stock operation of at most 512 masks a call; chunks of 300 leave none of 1, 3 or 4 masks here."""
    _, height, width = full.shape
    return np.concatenate(
        [apply(BitmapMasks(full[k : k + 300], height, width)).masks for k in range(0, len(full), 300)]
    )


OPERATIONS = {
    'rotate': lambda m: m.rotate((m.height, m.width), 33.3),
    'rotate about a point, shrink': lambda m: m.rotate((m.height, m.width), -120.0, (10.0, 7.5), 0.6),
    'rotate, enlarge': lambda m: m.rotate((m.height, m.width), 7.0, None, 2.3),
    'rotate, nearest': lambda m: m.rotate((m.height, m.width), 45.0, interpolation='nearest'),
    'shear x': lambda m: m.shear((m.height, m.width), 0.37),
    'shear y': lambda m: m.shear((m.height, m.width), -0.8, 'vertical'),
    'translate whole px': lambda m: m.translate((m.height, m.width), 7),
    'translate 0.5 px': lambda m: m.translate((m.height, m.width), -3.5, 'vertical'),
    'translate both': lambda m: m.translate((50, 80), (2.25, -4.0), 'both'),
    'smooth resize': lambda m: m.resize((51, 33), 'bilinear'),
    'area resize': lambda m: m.resize((13, 29), 'area'),
}


@pytest.mark.parametrize('name', OPERATIONS)
@pytest.mark.parametrize('number', [0, 1, 2, 3, 4, 5, 40])
def test_equal_to_stock(rng, name, number):
    full = discs(rng, number, 60, 71, 12)
    ours = OPERATIONS[name](BoxMasks.from_bitmaps(full))
    stock = OPERATIONS[name](BitmapMasks(full, 60, 71))
    np.testing.assert_array_equal(ours.to_ndarray(), stock.masks)
    assert (ours.height, ours.width) == (stock.height, stock.width)


@pytest.mark.parametrize('interpolation', ['bicubic', 'lanczos'])
def test_wide_kernels(rng, interpolation):
    full = discs(rng, 4, 40, 50, 9)  # OpenCV's warps with these take four channels at the most
    ours, stock = BoxMasks.from_bitmaps(full), BitmapMasks(full, 40, 50)
    for apply in (
        lambda m: m.rotate((40, 50), 20.0, interpolation=interpolation),
        lambda m: m.resize((77, 31), interpolation),
    ):
        np.testing.assert_array_equal(apply(ours).to_ndarray(), apply(stock).masks)


@pytest.mark.parametrize('name', ['rotate', 'shear x', 'translate 0.5 px'])
def test_more_masks_than_opencv_has_channels(rng, name):
    full = discs(rng, 700, 60, 71, 6)
    ours = OPERATIONS[name](BoxMasks.from_bitmaps(full))
    np.testing.assert_array_equal(ours.to_ndarray(), stock_in_chunks(full, OPERATIONS[name]))


def test_boxes_of_a_group_do_not_overlap(rng):
    corner = rng.integers(0, 40, (60, 2))
    boxes = np.concatenate([corner, corner + rng.integers(0, 12, (60, 2))], axis=1)
    groups = warp.share_canvases(boxes)
    filled = np.flatnonzero((boxes[:, 2:] > boxes[:, :2]).all(axis=1))
    assert sorted(np.concatenate(groups).tolist()) == filled.tolist()
    for group in groups:
        painted = np.zeros((60, 60), int)
        for x1, y1, x2, y2 in boxes[group]:
            painted[y1:y2, x1:x2] += 1
        assert painted.max() == 1


def test_groups_by_hand():
    boxes = np.array([[0, 0, 4, 4], [3, 3, 6, 6], [4, 0, 6, 3], [5, 5, 5, 9], [2, 2, 5, 5]])
    assert [group.tolist() for group in warp.share_canvases(boxes)] == [[0, 2], [1], [4]]


def test_borders_and_other_sizes_are_refused():
    masks = BoxMasks.random(2, 8, 9)
    with pytest.raises(ValueError, match=r'border_value=0, found 1.*to_bitmap'):
        masks.rotate((8, 9), 10, border_value=1)
    with pytest.raises(ValueError, match=r'pad_val=0, found 255.*to_bitmap'):
        masks.pad((10, 10), pad_val=255)
    with pytest.raises(ValueError, match=r'found \(9, 9\)'):
        masks.shear((9, 9), 0.1)
