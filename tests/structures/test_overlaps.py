import numpy as np
import pytest

from mmcellseg.components.box_masks import BoxMasks
from mmcellseg.structures import overlaps


def random_masks(rng: np.random.Generator, number: int, height: int, width: int) -> np.ndarray:
    masks = rng.random((number, height, width)) < 0.4
    masks &= rng.random((number, height, 1)) < 0.4
    return (masks & (rng.random((number, 1, width)) < 0.4)).astype(np.uint8)


def rectangle(height: int, width: int, y1: int, y2: int, x1: int, x2: int) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    mask[y1:y2, x1:x2] = 1
    return mask


def test_numbers_by_hand():
    # a: 4×4 = 16 px; b: 4×4 px moved by (2, 1), 3×2 = 6 shared; c touches a's edge only
    masks = BoxMasks.from_bitmaps(
        np.stack([rectangle(9, 9, 0, 4, 0, 4), rectangle(9, 9, 1, 5, 2, 6), rectangle(9, 9, 0, 4, 4, 5)])
    )
    i, j, pixels = overlaps.intersections(masks, masks[[1]])
    assert (i.tolist(), j.tolist(), pixels.tolist()) == ([0, 1, 2], [0, 0, 0], [6, 16, 3])
    i, j, iou = overlaps.mask_iou_pairs(masks[:1], masks)
    assert (i.tolist(), j.tolist()) == ([0, 0], [0, 1])
    assert iou.tolist() == [1, 6 / 26]
    boxes = np.array([[0, 0, 4, 4], [2, 1, 6, 5], [4, 0, 5, 4]])
    i, j, iou = overlaps.box_iou_pairs(boxes[:1], boxes)
    assert (i.tolist(), j.tolist(), iou.tolist()) == ([0, 0], [0, 1], [1, 6 / 26])


def test_shared_pixels_of_chosen_pairs():
    masks = BoxMasks.from_bitmaps(
        np.stack([rectangle(20, 20, 0, 10, 0, 10), rectangle(20, 20, 5, 15, 5, 15), rectangle(20, 20, 0, 3, 9, 20)])
    )
    first, second = np.array([0, 0, 1]), np.array([1, 2, 0])
    assert overlaps.common_pixels(masks, masks, first, second).tolist() == [25, 3, 25]
    assert overlaps.common_pixels(masks, masks[1:], first[:1], second[:1] - 1).tolist() == [25]
    assert overlaps.common_pixels(masks, masks, first[:0], second[:0]).tolist() == []


def test_candidates_equal_the_full_matrix(rng):
    for _ in range(200):
        a, b = (np.sort(rng.integers(0, 12, (n, 2, 2)), axis=1).reshape(n, 4) for n in rng.integers(0, 9, 2))
        a, b = a.astype(float), b.astype(float)  # some are empty, many share a side
        low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
        common = np.prod(np.clip(high - low, 0, None), axis=2)
        i, j = overlaps.candidate_pairs(a, b)
        expected = np.nonzero(common)
        assert (i.tolist(), j.tolist()) == (expected[0].tolist(), expected[1].tolist())


@pytest.mark.parametrize('chunk', [1, 50, 1 << 20])
def test_intersections_equal_full_bitmaps(rng, monkeypatch, chunk):
    monkeypatch.setattr(overlaps, '_CHUNK', chunk)
    for k in range(40):
        height, width = rng.integers(1, 20), rng.integers(1, 200 if k % 2 else 20)  # several words of 64 px
        full_a, full_b = (random_masks(rng, n, height, width) for n in rng.integers(0, 8, 2))
        a, b = BoxMasks.from_bitmaps(full_a), BoxMasks.from_bitmaps(full_b)
        for one, other, x, y in ((a, b, full_a, full_b), (a, a, full_a, full_a)):
            expected = np.einsum('ihw,jhw->ij', x.astype(int), y.astype(int))
            i, j, pixels = overlaps.intersections(one, other)
            rows, columns = np.nonzero(expected)
            assert (i.tolist(), j.tolist()) == (rows.tolist(), columns.tolist())
            assert pixels.tolist() == expected[rows, columns].tolist()


def test_union(rng):
    full = random_masks(rng, 5, 12, 15)
    masks = BoxMasks.from_bitmaps(full)
    groups = [[0, 1], [], [4], [2, 3, 0]]
    expected = [full[g].any(axis=0) if g else np.zeros((12, 15)) for g in groups]
    merged = overlaps.union(masks, groups)
    np.testing.assert_array_equal(merged.to_ndarray(), np.stack(expected))
    np.testing.assert_array_equal(masks.to_ndarray(), full)


def test_different_images_are_refused():
    a, b = (BoxMasks.from_bitmaps(np.ones((1, 4, w), np.uint8)) for w in (5, 6))
    with pytest.raises(ValueError, match='4 x 5 and of 4 x 6 share no image'):
        overlaps.intersections(a, b)
