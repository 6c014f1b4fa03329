import numpy as np
import pycocotools.mask as mask_utils
import pytest

from mmcellseg.structures import rle
from mmcellseg.structures.ragged import batches, offsets, positions, ragged_arange


def coco_rles(masks: np.ndarray) -> list[dict]:
    return [mask_utils.encode(np.asfortranarray(mask)) for mask in masks]


def whole_windows(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Windows that are as large as the image, hence loose."""
    number, height, width = masks.shape
    return np.tile([0, 0, width, height], (number, 1)), np.arange(number + 1) * height * width, masks.ravel()


def random_masks(rng: np.random.Generator) -> np.ndarray:
    """Noise of all densities; empty rows, columns and masks; height and width from 1."""
    number, height, width = rng.integers(0, 6), *rng.integers(1, 14, 2)
    masks = rng.random((number, height, width)) < rng.choice([0, 0.05, 0.3, 0.5, 0.9, 1], (number, 1, 1))
    masks &= rng.random((number, height, 1)) < rng.choice([0.3, 1], (number, 1, 1))
    return (masks & (rng.random((number, 1, width)) < rng.choice([0.3, 1], (number, 1, 1)))).astype(np.uint8)


@pytest.mark.parametrize(
    ('counts', 'text'),
    [
        ([0, 4], b'04'),
        ([15], b'?'),  # 15 + 48
        ([16], b'`0'),  # bit 4 would be a sign: 16 + 32 + 48, then 0
        ([1, 10, 3, 5], b'1:3K'),  # the fourth is 5 - 10 = -5 → 27 + 48
        ([1000], b'Xo0'),  # 1000 = 8 + 32·31; 31 alone would read as -1, so a third group follows
    ],
)
def test_string_by_hand(counts, text):
    assert rle.counts_to_strings(np.array(counts), np.array([0, len(counts)])) == [text]
    decoded, splits = rle.read_rles([{'size': [1, sum(counts)], 'counts': text}], 1, sum(counts))
    assert (decoded.tolist(), splits.tolist()) == (counts, [0, len(counts)])


def check_against_pycocotools(masks: np.ndarray) -> None:
    _, height, width = masks.shape
    expected = coco_rles(masks)
    counts, splits = rle.read_rles(expected, height, width)
    assert rle.counts_to_strings(counts, splits) == [r['counts'] for r in expected]
    boxes, starts, bits = rle.counts_to_windows(counts, splits, height)
    for i, mask in enumerate(masks):
        x, y, w, h = mask_utils.toBbox(expected[i]).astype(int).tolist()
        assert boxes[i].tolist() == [x, y, x + w, y + h]
        np.testing.assert_array_equal(bits[starts[i] : starts[i + 1]].reshape(h, w), mask[y : y + h, x : x + w])
    for windows in ((boxes, starts, bits), whole_windows(masks)):
        again = rle.windows_to_counts(*windows, height, width)
        assert again[0].tolist() == counts.tolist()
        assert again[1].tolist() == splits.tolist()


def test_equal_to_pycocotools_byte_for_byte(rng):
    for _ in range(300):
        check_against_pycocotools(random_masks(rng))
    check_against_pycocotools(np.zeros((0, 5, 5), np.uint8))
    large = np.zeros((1, 2000, 2500), np.uint8)
    large[0, 900:1500, 700:2000] = rng.random((600, 1300)) < 0.01
    large[0, :, 2400:] = 1
    check_against_pycocotools(large)
    # columns: 0 1 1 | 1 0 0 | 0 0 0 → 1 background, 3 foreground over the column border, 5 background
    counts, _ = rle.windows_to_counts(*whole_windows(np.array([[[0, 1, 0], [1, 0, 0], [1, 0, 0]]], np.uint8)), 3, 3)
    assert counts.tolist() == [1, 3, 5]


# Counts that add up in 64 bits only: 2^64 + 6, which an int64 takes for 6
(ENDLESS,) = rle.counts_to_strings(np.array([2**58] * 64 + [6]), np.array([0, 65]))


@pytest.mark.parametrize(
    ('counts', 'problem'),
    [
        (b'12`', 'the compressed counts are cut off'),
        (b'12', 'it covers 3 px, expected 2 × 3 = 6'),
        (b'', 'it covers 0 px'),
        (b'12!', "character '!'"),
        ('é', 'character'),
        (b'7O', 'negative count -1'),
        (b'o' * 13 + b'0', 'a count of more than 12 characters'),
        ('12€', "character '€'"),  # as '?' it would be 15
        ('12\ud800', r"character '\\ud800'"),
        ([7, -1], r'counts \[7, -1\], expected whole numbers of px'),
        ([1.5, 4.5], r'counts \[1.5, 4.5\], expected whole numbers of px'),
        ([10**30], r'counts \[1000.*\], expected whole numbers of px'),
        (ENDLESS, 'it covers'),
    ],
)
def test_malformed_counts_are_named(counts, problem):
    good = {'size': [2, 3], 'counts': b'123'}
    with pytest.raises(ValueError, match=f'RLE 1: {problem}'):
        rle.read_rles([good, good | {'counts': counts}, good], 2, 3)


def test_ragged():
    assert offsets(np.array([2, 0, 3])).tolist() == [0, 2, 2, 5]
    assert ragged_arange(np.array([2, 0, 3])).tolist() == [0, 1, 0, 1, 2]
    assert list(batches(np.array([2, 2, 9, 1]), 4)) == [slice(0, 2), slice(2, 3), slice(3, 4)]
    assert list(batches(np.zeros(0, int), 4)) == []
    assert {k: v.tolist() for k, v in positions(np.array([7, 1, 7])).items()} == {1: [1], 7: [0, 2]}
    assert positions(np.zeros(0, int)) == {}
