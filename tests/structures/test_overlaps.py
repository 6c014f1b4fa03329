import numpy as np
import pytest
from drawn_cells import rectangle

from mmcellseg.structures import overlaps
from mmcellseg.structures.masks import InstanceMasks


def random_masks(rng: np.random.Generator, number: int, height: int, width: int) -> np.ndarray:
    masks = rng.random((number, height, width)) < 0.4
    masks &= rng.random((number, height, 1)) < 0.4
    return (masks & (rng.random((number, 1, width)) < 0.4)).astype(np.uint8)


def rectangles(size: int, *boxes: tuple[int, int, int, int]) -> InstanceMasks:
    return InstanceMasks.from_bitmaps(np.stack([rectangle((size, size), *box) for box in boxes]))


def test_numbers_by_hand():
    # a: 4×4 = 16 px; b: 4×4 px moved by (2, 1), 2×3 = 6 shared; c touches a's edge only
    boxes = [(0, 0, 4, 4), (2, 1, 6, 5), (4, 0, 5, 4)]
    masks = rectangles(9, *boxes)
    i, j, pixels = overlaps.intersections(masks, masks[[1]])
    assert (i.tolist(), j.tolist(), pixels.tolist()) == ([0, 1, 2], [0, 0, 0], [6, 16, 3])
    for i, j, iou in (overlaps.mask_iou_pairs(masks[:1], masks), overlaps.box_iou_pairs(boxes[:1], boxes)):
        assert (i.tolist(), j.tolist(), iou.tolist()) == ([0, 0], [0, 1], [1, 6 / 26])


def test_candidates_equal_the_full_matrix(rng):
    for _ in range(200):
        a, b = (np.sort(rng.integers(0, 12, (n, 2, 2)), axis=1).reshape(n, 4) for n in rng.integers(0, 9, 2))
        a, b = a.astype(float), b.astype(float)  # some are empty, many share a side
        low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
        expected = np.nonzero(np.prod(np.clip(high - low, 0, None), axis=2))
        np.testing.assert_array_equal(overlaps.candidate_pairs(a, b), expected)


@pytest.mark.parametrize('chunk', [1, 50, 1 << 20])
def test_intersections_equal_full_bitmaps(rng, monkeypatch, chunk):
    monkeypatch.setattr(overlaps, '_CHUNK', chunk)
    for k in range(40):
        height, width = rng.integers(1, 20), rng.integers(1, 200 if k % 2 else 20)  # several words of 64 px
        full_a, full_b = (random_masks(rng, n, height, width) for n in rng.integers(0, 8, 2))
        a, b = InstanceMasks.from_bitmaps(full_a), InstanceMasks.from_bitmaps(full_b)
        for one, other, x, y in ((a, b, full_a, full_b), (a, a, full_a, full_a)):
            expected = np.einsum('ihw,jhw->ij', x.astype(int), y.astype(int))
            *pairs, pixels = overlaps.intersections(one, other)
            np.testing.assert_array_equal(pairs, np.nonzero(expected))
            assert pixels.tolist() == expected[tuple(pairs)].tolist()


def test_union(rng):
    full = random_masks(rng, 5, 12, 15)
    masks, groups = InstanceMasks.from_bitmaps(full), [[0, 1], [], [4], [2, 3, 0]]
    merged = overlaps.union(masks, groups).to_ndarray()
    np.testing.assert_array_equal(merged, [full[g].any(axis=0) if g else np.zeros((12, 15)) for g in groups])
    np.testing.assert_array_equal(masks.to_ndarray(), full)


def test_different_images_are_refused():
    a, b = (InstanceMasks.from_bitmaps(np.ones((1, 4, w), np.uint8)) for w in (5, 6))
    with pytest.raises(ValueError, match='4 x 5 and of 4 x 6 share no image'):
        overlaps.intersections(a, b)
