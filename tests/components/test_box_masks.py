import pickle

import numpy as np
import pycocotools.mask as mask_utils
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks

from mmcellseg.components.box_masks import BoxMasks


@pytest.fixture
def full(rng) -> np.ndarray:
    """A blob, a pixel in the last corner, an empty mask, a full one, one that overlaps the blob."""
    masks = np.zeros((5, 12, 17), np.uint8)
    masks[0, 2:7, 3:9] = rng.random((5, 6)) < 0.7
    masks[1, 11, 16] = 1
    masks[3] = 1
    masks[4, 5:12, 6:10] = 1
    return masks


def assert_equal(ours: BoxMasks, stock: BitmapMasks) -> None:
    assert isinstance(ours, BoxMasks)
    assert (ours.height, ours.width) == (stock.height, stock.width)
    np.testing.assert_array_equal(ours.to_ndarray(), stock.masks)
    assert ours.to_ndarray().dtype == np.uint8


def test_windows_by_hand():
    full = np.zeros((2, 4, 6), np.uint8)
    full[1, 1:3, 2:5] = [[1, 0, 1], [0, 1, 0]]
    masks = BoxMasks.from_bitmaps(full)
    assert masks.boxes.tolist() == [[0, 0, 0, 0], [2, 1, 5, 3]]
    assert masks.starts.tolist() == [0, 0, 6]
    assert masks.bits.tolist() == [1, 0, 1, 0, 1, 0]
    assert masks.window(0).shape == (0, 0)
    assert masks.window(-1).tolist() == [[1, 0, 1], [0, 1, 0]]
    assert masks.areas.tolist() == [0, 3]
    assert masks.tight_boxes().tolist() == [[0, 0, 0, 0], [2, 1, 5, 3]]


def test_conversions(full):
    rles = [mask_utils.encode(np.asfortranarray(mask)) for mask in full]
    stock = BitmapMasks(full, 12, 17)
    for masks in (BoxMasks.from_bitmaps(full), BoxMasks.from_rles(rles, 12, 17), BoxMasks.from_bitmaps(full > 0)):
        assert_equal(masks, stock)
        assert masks.to_rles() == rles
        assert isinstance(masks.to_bitmap(), BitmapMasks)
        np.testing.assert_array_equal(masks.to_bitmap().masks, full)
        tensor = masks.to_tensor(torch.float32, 'cpu')
        assert torch.equal(tensor, stock.to_tensor(torch.float32, 'cpu'))
        np.testing.assert_array_equal(np.stack(list(masks)), full)
        assert masks.areas.tolist() == stock.areas.tolist()
        assert torch.equal(masks.get_bboxes().tensor, stock.get_bboxes('hbox').tensor)


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.int64, np.float64])
def test_label_map(dtype):
    labels = np.array([[0, 7, 7, 0], [3, 7, 0, 200], [3, 0, 7, 0]], dtype)
    ids, masks = BoxMasks.from_label_map(labels)
    assert ids.tolist() == [3, 7, 200]
    assert masks.boxes.tolist() == [[0, 1, 1, 3], [1, 0, 3, 3], [3, 1, 4, 2]]
    np.testing.assert_array_equal(masks.to_ndarray(), np.stack([labels == i for i in ids]))
    ids, masks = BoxMasks.from_label_map(np.zeros((3, 4), dtype))
    assert (len(ids), len(masks), masks.height, masks.width) == (0, 0, 3, 4)


INDICES = [
    *(2, -1, np.int64(1), slice(None), slice(1, 4), slice(None, None, -2), slice(3, 1), [4, 0, 0], []),
    *(np.array([True, False, False, True, True]), np.zeros(0, int), torch.tensor([1, 3])),
    torch.tensor([False, True, True, False, False]),
]


@pytest.mark.parametrize('index', INDICES, ids=str)
def test_indexing(full, index):
    expected = index.numpy() if isinstance(index, torch.Tensor) else index
    if isinstance(expected, list):
        expected = np.array(expected, int)
    chosen = BoxMasks.from_bitmaps(full)[index]
    assert_equal(chosen, BitmapMasks(full, 12, 17)[expected])
    assert (chosen.starts[0], chosen.starts[-1]) == (0, len(chosen.bits))
    with pytest.raises(IndexError, match='out of bounds'):
        chosen[5]


def test_cat(full):
    masks, stock = BoxMasks.from_bitmaps(full), BitmapMasks(full, 12, 17)
    assert_equal(BoxMasks.cat([masks[3:], masks[:0], masks]), BitmapMasks.cat([stock[3:], stock[:0], stock]))
    with pytest.raises(ValueError, match=r'one image size \(h, w\), found \[\(12, 17\), \(17, 12\)\]'):
        BoxMasks.cat([masks, masks.resize((17, 12))])
    with pytest.raises(ValueError, match=r'found \[\]'):
        BoxMasks.cat([])


EDGE_CASES = {  # beside the random operations of the property test
    'crop beyond the image': lambda m: m.crop(np.array([-5, -5, 100, 100])),
    'crop to nothing': lambda m: m.crop(np.array([4, 4, 4, 4])),
    'rescale to a size': lambda m: m.rescale((40, 30)),
    'translate both ways': lambda m: m.translate((5, 40), (-3, 2), 'both'),
    'diagonal': lambda m: m.flip('diagonal').pad((20, 17)).expand(30, 31, 7, 5).resize((37, 3)),
}


@pytest.mark.parametrize('case', EDGE_CASES)
@pytest.mark.parametrize('number', [0, 1, 5])
def test_geometry_equals_stock(full, case, number):
    apply = EDGE_CASES[case]
    assert_equal(apply(BoxMasks.from_bitmaps(full[:number])), apply(BitmapMasks(full[:number], 12, 17)))


def test_sizes_that_do_not_fit_are_refused(full):
    masks = BoxMasks.from_bitmaps(full)
    with pytest.raises(ValueError, match=r'12 x 17 at \(0, 0\) leave 11 x 20'):
        masks.pad((11, 20))
    with pytest.raises(ValueError, match=r'12 x 17 at \(3, 1\) leave 14 x 20'):
        masks.expand(14, 20, 3, 1)


def test_what_else_mmdetection_asks_of_masks(full):
    masks = BoxMasks.from_bitmaps(full)
    with pytest.raises(AttributeError, match=r'CopyPaste.*\.to_bitmap\(\)'):
        masks.masks  # noqa: B018
    assert not hasattr(masks, 'masks')
    assert repr(pickle.loads(pickle.dumps(masks))) == 'BoxMasks(num_masks=5, height=12, width=17)'
    for kind in ('hbox', 'hbb', HorizontalBoxes):
        boxes = masks.get_bboxes(kind)
        assert (type(boxes), boxes.tensor.dtype) == (HorizontalBoxes, torch.float32)
    assert_equal(BoxMasks.random(num_masks=4, height=9, width=5, rng=0), BitmapMasks.random(4, 9, 5, np.uint8, 0))


def test_fractional_crops_and_unknown_directions_are_refused(full):
    masks = BoxMasks.from_bitmaps(full)
    np.testing.assert_array_equal(masks.crop(np.array([3.0, 2, 9, 7])).to_ndarray(), full[:, 2:7, 3:9])
    for box in ([3.5, 2, 9, 7], [3, 2, np.nan, 7]):
        with pytest.raises(ValueError, match='expected a box .* in whole px to crop to, found'):
            masks.crop(np.array(box))
    for some in (masks, masks[[]]):
        with pytest.raises(ValueError, match="'horizontal', 'vertical' or 'both', found 'diagonal'"):
            some.translate((12, 17), 4, 'diagonal')


LARGEST = 90  # px; operations that would grow beyond it are left out


@st.composite
def instances(draw) -> np.ndarray:
    """Bitmaps (N, H, W): none to a dozen cells; some of one pixel, cut by the border, overlapping, or empty."""
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    masks = np.zeros((draw(st.integers(0, 12)), height, width), np.uint8)
    noise = np.random.default_rng(draw(st.integers(0, 1000)))
    for mask in masks:
        y, x = draw(st.integers(-4, height - 1)), draw(st.integers(-4, width - 1))
        h, w = draw(st.sampled_from([0, 1, 1, 3, 7, 15])), draw(st.sampled_from([1, 1, 3, 7, 15, 50]))
        inside = mask[max(y, 0) : max(y + h, 0), max(x, 0) : max(x + w, 0)]
        inside[:] = noise.random(inside.shape) < draw(st.sampled_from([0.5, 0.9, 1.0]))
    return masks


fraction = st.floats(0, 1)
directions = st.sampled_from(['horizontal', 'vertical'])
smooth = st.sampled_from(['nearest', 'bilinear'])
operation = st.one_of(
    st.tuples(st.just('crop'), fraction, fraction, fraction, fraction),
    st.tuples(st.just('flip'), st.sampled_from(['horizontal', 'vertical', 'diagonal'])),
    st.tuples(st.just('resize'), st.integers(1, LARGEST), st.integers(1, LARGEST), smooth),
    st.tuples(st.just('rescale'), st.floats(0.3, 2.5), smooth),
    st.tuples(st.just('pad'), st.integers(0, 9), st.integers(0, 9)),
    st.tuples(st.just('expand'), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
    st.tuples(st.just('rotate'), st.floats(-180, 180), st.sampled_from([0.5, 1.0, 1.7]), smooth),
    st.tuples(st.just('shear'), st.floats(-1, 1), directions, smooth),
    st.tuples(st.just('translate'), st.one_of(st.integers(-30, 30), st.floats(-30, 30)), directions, smooth),
    st.tuples(st.just('translate_both'), st.integers(-30, 30), st.integers(-30, 30), st.integers(1, 50)),
    st.tuples(st.just('index'), st.integers(0, 1000)),
    st.tuples(st.just('cat'), st.integers(0, 3)),
)


def apply(masks, name: str, *values):
    """One operation on masks of either class, or the masks themselves where it cannot be done."""
    height, width = masks.height, masks.width
    if name == 'crop':
        x, y, w, h = values
        x1, y1 = int(x * (width - 1)), int(y * (height - 1))
        return masks.crop(np.array([x1, y1, x1 + 1 + int(w * width), y1 + 1 + int(h * height)]))
    if name == 'flip':
        return masks.flip(*values)
    if name == 'resize':
        return masks.resize(values[:2], values[2])
    if name == 'rescale':
        factor, interpolation = values
        fits = max(height, width) * factor <= LARGEST and min(height, width) * factor >= 1
        return masks.rescale(factor, interpolation) if fits else masks
    if name == 'pad':
        return masks.pad((height + values[0], width + values[1]))
    if name == 'expand':
        top, left, bottom, right = values
        return masks.expand(height + top + bottom, width + left + right, top, left)
    if name == 'rotate':
        return masks.rotate((height, width), values[0], scale=values[1], interpolation=values[2])
    if name == 'shear':
        return masks.shear((height, width), *values[:2], interpolation=values[2])
    if name == 'translate':
        return masks.translate((height, width), values[0], values[1], interpolation=values[2])
    if name == 'translate_both':
        return masks.translate((values[2], width), values[:2], 'both')
    if name == 'index':
        return masks[np.random.default_rng(values[0]).random(len(masks)) < 0.8]
    return type(masks).cat([masks, masks[: values[0]]])


@settings(max_examples=200, deadline=None, derandomize=True)
@given(instances(), st.lists(operation, min_size=1, max_size=6))
def test_any_sequence_equals_stock(full, operations):
    ours, stock = BoxMasks.from_bitmaps(full), BitmapMasks(full, *full.shape[1:])
    for step in operations:
        ours, stock = apply(ours, *step), apply(stock, *step)
        assert (ours.height, ours.width) == (stock.height, stock.width)
        np.testing.assert_array_equal(ours.to_ndarray(), stock.masks)
    assert ours.areas.tolist() == stock.areas.tolist()
    np.testing.assert_array_equal(ours.get_bboxes().tensor, stock.get_bboxes('hbox').tensor)
    assert ours.to_rles() == [mask_utils.encode(np.asfortranarray(mask)) for mask in stock.masks]
