"""Random operations in random order give what the stock bitmaps give, bit for bit."""

import numpy as np
import pycocotools.mask as mask_utils
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.structures.mask import BitmapMasks

from mmcellseg.components.box_masks import BoxMasks

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
