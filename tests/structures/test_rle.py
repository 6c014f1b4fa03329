import numpy as np
import pycocotools.mask as mask_utils
import pytest

from mmcellseg.structures import rle
from mmcellseg.structures.ragged import batches, offsets, ragged_arange


def coco_rles(masks: np.ndarray) -> list[dict]:
    return [mask_utils.encode(np.asfortranarray(mask)) for mask in masks]


def whole_windows(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Windows that are as large as the image, hence loose."""
    number, height, width = masks.shape
    boxes = np.tile(np.array([0, 0, width, height], np.int32), (number, 1))
    return boxes, np.arange(number + 1) * height * width, masks.ravel()


def random_masks(rng: np.random.Generator) -> np.ndarray:
    """Noise of all densities; empty rows, columns and masks; height and width from 1."""
    number, height, width = rng.integers(0, 6), *rng.integers(1, 14, 2)
    masks = rng.random((number, height, width)) < rng.choice([0, 0.05, 0.3, 0.5, 0.9, 1], (number, 1, 1))
    masks &= rng.random((number, height, 1)) < rng.choice([0.3, 1], (number, 1, 1))
    masks &= rng.random((number, 1, width)) < rng.choice([0.3, 1], (number, 1, 1))
    return masks.astype(np.uint8)


def test_counts_of_a_mask_by_hand():
    # columns: 0 1 1 | 1 0 0 | 0 0 0 → 1 background, 3 foreground over the column border, 5 background
    mask = np.array([[0, 1, 0], [1, 0, 0], [1, 0, 0]], np.uint8)
    counts, splits = rle.windows_to_counts(*whole_windows(mask[None]), 3, 3)
    assert counts.tolist() == [1, 3, 5]
    assert splits.tolist() == [0, 3]


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
    assert decoded.tolist() == counts
    assert splits.tolist() == [0, len(counts)]


def test_equal_to_pycocotools_byte_for_byte(rng):
    for _ in range(400):
        masks = random_masks(rng)
        _, height, width = masks.shape
        expected = coco_rles(masks)
        counts, splits = rle.read_rles(expected, height, width)
        assert rle.counts_to_strings(counts, splits) == [r['counts'] for r in expected]
        boxes, starts, bits = rle.counts_to_windows(counts, splits, height)
        for i, mask in enumerate(masks):
            x, y, w, h = mask_utils.toBbox(expected[i])
            assert boxes[i].tolist() == [x, y, x + w, y + h]
            window = bits[starts[i] : starts[i + 1]].reshape(int(h), int(w))
            np.testing.assert_array_equal(window, mask[int(y) : int(y + h), int(x) : int(x + w)])
        for windows in ((boxes, starts, bits), whole_windows(masks)):
            again = rle.windows_to_counts(*windows, height, width)
            assert again[0].tolist() == counts.tolist()
            assert again[1].tolist() == splits.tolist()


def test_long_runs_of_a_large_image(rng):
    mask = np.zeros((1, 2000, 2500), np.uint8)
    mask[0, 900:1500, 700:2000] = rng.random((600, 1300)) < 0.01
    mask[0, :, 2400:] = 1
    expected = coco_rles(mask)
    counts, splits = rle.read_rles(expected, 2000, 2500)
    assert rle.counts_to_strings(counts, splits)[0] == expected[0]['counts']
    windows = rle.counts_to_windows(counts, splits, 2000)
    assert rle.windows_to_counts(*windows, 2000, 2500)[0].tolist() == counts.tolist()


def test_str_bytes_and_lists_together():
    mixed = [{'size': [2, 3], 'counts': c} for c in (b'123', '123', [1, 2, 3], [6], [0, 6])]
    counts, splits = rle.read_rles(mixed, 2, 3)
    assert counts.tolist() == [1, 2, 3, 1, 2, 3, 1, 2, 3, 6, 0, 6]
    assert splits.tolist() == [0, 3, 6, 9, 10, 12]


def test_no_rles():
    counts, splits = rle.read_rles([], 5, 5)
    assert (counts.tolist(), splits.tolist()) == ([], [0])
    boxes, starts, bits = rle.counts_to_windows(counts, splits, 5)
    assert boxes.shape == (0, 4)
    assert (starts.tolist(), bits.size) == ([0], 0)
    assert rle.counts_to_strings(*rle.windows_to_counts(boxes, starts, bits, 5, 5)) == []


@pytest.mark.parametrize(
    ('bad', 'problem'),
    [
        ({'size': [2, 3], 'counts': b'12`'}, 'RLE 1: the compressed counts are cut off'),
        ({'size': [2, 3], 'counts': b'12'}, 'RLE 1: it covers 3 px, expected 2 × 3 = 6'),
        ({'size': [2, 3], 'counts': b''}, 'RLE 1: it covers 0 px'),
        ({'size': [2, 3], 'counts': b'12!'}, "RLE 1: character '!'"),
        ({'size': [2, 3], 'counts': 'é'}, 'RLE 1: character'),
        ({'size': [2, 3], 'counts': b'7O'}, 'RLE 1: negative count -1'),
        ({'size': [2, 3], 'counts': b'o' * 13 + b'0'}, 'RLE 1: a count of more than 12 characters'),
        ({'size': [3, 2], 'counts': b'123'}, r'RLE 1: RLE size \[3, 2\], expected \[2, 3\] of the image'),
        ({'size': [2, 3], 'counts': '12€'}, "RLE 1: character '€'"),  # as '?' it would be 15
        ({'size': [2, 3], 'counts': '12\ud800'}, r"RLE 1: character '\\ud800'"),
        ({'size': [2, 3], 'counts': [7, -1]}, r'RLE 1: counts \[7, -1\], expected whole numbers of px'),
        ({'size': [2, 3], 'counts': [1.5, 4.5]}, r'RLE 1: counts \[1.5, 4.5\], expected whole numbers of px'),
        ({'size': [2, 3], 'counts': [10**30]}, r'RLE 1: counts \[1000.*\], expected whole numbers of px'),
        ({'counts': b'123'}, 'RLE 1: segmentation .*, expected an RLE with size and counts'),
        ([[0, 0, 1, 1, 2, 2]], 'RLE 1: segmentation .*, expected an RLE with size and counts'),
    ],
)
def test_malformed_is_named(bad, problem):
    good = {'size': [2, 3], 'counts': b'123'}
    with pytest.raises(ValueError, match=problem):
        rle.read_rles([good, bad, good], 2, 3)


def test_counts_that_add_up_in_64_bits_only():
    counts = np.array([2**58] * 64 + [6])  # 2^64 + 6, which an int64 takes for 6
    (text,) = rle.counts_to_strings(counts, np.array([0, len(counts)]))
    with pytest.raises(ValueError, match='RLE 0: it covers'):
        rle.read_rles([{'size': [2, 3], 'counts': text}], 2, 3)


def test_ragged():
    assert offsets(np.array([2, 0, 3])).tolist() == [0, 2, 2, 5]
    assert ragged_arange(np.array([2, 0, 3])).tolist() == [0, 1, 0, 1, 2]
    assert list(batches(np.array([2, 2, 9, 1]), 4)) == [slice(0, 2), slice(2, 3), slice(3, 4)]
    assert list(batches(np.zeros(0, int), 4)) == []
