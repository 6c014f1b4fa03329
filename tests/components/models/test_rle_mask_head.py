"""The RLE mask head beside the stock head: the same RLEs to the last byte."""

import tracemalloc

import numpy as np
import pycocotools.mask as coco_mask
import pytest
import torch
from mmdet.models.roi_heads.mask_heads import FCNMaskHead
from mmdet.models.roi_heads.mask_heads.fcn_mask_head import _do_paste_mask
from mmdet.registry import MODELS
from mmdet.structures.mask import encode_mask_results
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch.utils._python_dispatch import TorchDispatchMode

from mmcellseg.components.models import rle_mask_head
from mmcellseg.components.models.rle_mask_head import RLEMaskHead, paste_as_rles

HEAD = {'num_convs': 0, 'in_channels': 4, 'conv_out_channels': 4, 'num_classes': 3}


def logits(generator, n, size=28, classes=3):
    """Blobs, half of them so saturated that the sigmoid is exactly 0 or 1."""
    noise = torch.nn.functional.avg_pool2d(torch.randn(n, classes, size, size, generator=generator), 5, 1, 2) * 8
    noise[::2] *= 20
    return noise


def some_boxes(generator, n, height, width):
    extent = torch.tensor([width, height])
    centre = torch.rand(n, 2, generator=generator) * extent
    size = 2 ** (torch.rand(n, 2, generator=generator) * 9 - 2)
    return torch.cat([centre - size / 2, centre + size / 2], 1)


def predict(kind, preds, boxes, labels, shape, threshold=0.5, scale=(1.0, 1.0), rescale=True, activate=False, **head):
    """What a head of that kind predicts for one image."""
    results, config = InstanceData(bboxes=boxes.clone(), labels=labels), ConfigDict(mask_thr_binary=threshold)
    meta = {'ori_shape': shape, 'scale_factor': scale}
    kind(**{**HEAD, **head}).predict_by_feat([preds], [results], [meta], config, rescale, activate)
    return results


def assert_same(*args, **kwargs):
    """The RLEs of ours, which are those of stock's masks."""
    stock, ours = (predict(kind, *args, **kwargs) for kind in (FCNMaskHead, RLEMaskHead))
    assert torch.equal(stock.bboxes, ours.bboxes)
    stock, ours = encode_mask_results(stock.masks.numpy()), ours.masks
    assert len(ours) == len(stock)
    assert [i for i, (a, b) in enumerate(zip(stock, ours)) if a != b] == []
    return ours


@pytest.mark.parametrize('threshold', [0.5, 0.05, 0.999999])
@pytest.mark.parametrize('seed', range(6))
def test_random_boxes_inside_and_cut_by_the_border(seed, threshold):
    generator = torch.Generator().manual_seed(seed)
    height, width = 90 + seed, 131 - seed
    boxes = some_boxes(generator, 60, height, width)
    boxes[:30, 0::2] = boxes[:30, 0::2].clamp(0, width)
    boxes[:30, 1::2] = boxes[:30, 1::2].clamp(0, height)
    boxes[10:20] = boxes[10:20].round()
    boxes[40:50] = (boxes[40:50] * 2).round() / 2  # pixel centres on the edge of the box
    labels = torch.randint(0, 3, (60,), generator=generator)
    rles = assert_same(logits(generator, 60), boxes, labels, (height, width), threshold)
    areas = coco_mask.area(rles)
    assert (areas > 0).sum() > 15


def test_degenerate_boxes():
    """Without width or height, at the border, half a pixel off, as large as the image and larger."""
    boxes = [
        [5, 5, 5, 20], [5.5, 5, 5.5, 20], [5, 7.5, 30, 7.5], [40, 30, 40, 30], [0, 0, 0, 0], [39, 29, 40, 30],
        [0, 0, 40, 30], [-3, -2, 55, 41], [-500, -500, 900, 800], [12, 12, 12.001, 12.001], [3, 3, 4, 4],
        [9, 9, 8.5, 12], [20, 20, 20 + 1e-37, 25],
    ]  # fmt: skip
    boxes = torch.tensor(boxes)
    preds = logits(torch.Generator().manual_seed(1), len(boxes)) + 5
    rles = assert_same(preds, boxes, torch.zeros(len(boxes), dtype=torch.long), (30, 40))
    assert coco_mask.area(rles[6]) > 600


def test_boxes_that_stock_cannot_paste_are_empty_masks():
    bad = [[60, 5, 80, 9], [-30, 5, -20, 9], [float('nan')] * 4, [0, 0, float('inf'), 5], [9, 9, 2, 12]]
    preds, labels = torch.full((5, 3, 28, 28), 9.0), torch.zeros(5, dtype=torch.long)
    empty = coco_mask.encode(np.zeros((30, 40), np.uint8, order='F'))
    assert predict(RLEMaskHead, preds, torch.tensor(bad), labels, (30, 40)).masks == [empty] * 5


def test_scaled_images_with_and_without_rescale():
    generator = torch.Generator().manual_seed(2)
    boxes, preds = some_boxes(generator, 20, 100, 140).clamp(0, 100), logits(generator, 20)
    labels = torch.randint(0, 3, (20,), generator=generator)
    for rescale, size in ((True, [50, 93]), (False, [100, 139])):
        shape, scale = (50, 93), (1.4946236, 2.0)
        rles = assert_same(preds, boxes, labels, shape, scale=scale, rescale=rescale)
        assert rles[0]['size'] == size


@pytest.mark.parametrize(('dtype', 'width'), [(torch.bfloat16, 1333), (torch.float16, 2051)])
def test_boxes_in_half_precision_end_where_the_image_ends(dtype, width):
    """Neither type holds the width: the next number that it does hold is beyond the image."""
    boxes = torch.tensor([[width - 21, 8, width + 11, 40], [5, 8, 37, 40]]).to(dtype)
    masks = torch.ones(2, 1, 28, 28)
    stock, _ = _do_paste_mask(masks, boxes, 50, width, skip_empty=False)
    expected = encode_mask_results((stock >= 0.5).numpy())
    assert paste_as_rles(masks, boxes, 50, width, 0.5, whole_image=True) == expected


def test_other_inputs():
    """Mean of Cascade's stages, class-agnostic masks, masks that are not square, bfloat16 and float16."""
    generator = torch.Generator().manual_seed(3)
    boxes, labels = some_boxes(generator, 24, 70, 80).clamp(0, 70), torch.randint(0, 3, (24,), generator=generator)
    preds = logits(generator, 24)
    assert_same(preds.sigmoid(), boxes, labels, (70, 80), activate=True)
    assert_same(preds[:, :1], boxes, labels, (70, 80), class_agnostic=True)
    assert_same(preds[..., :14], boxes, labels, (70, 80))
    assert_same(preds.bfloat16(), boxes, labels, (70, 80))
    assert_same(preds.half(), boxes, labels, (70, 80))


def test_batches_do_not_show(monkeypatch):
    generator = torch.Generator().manual_seed(4)
    boxes, labels = some_boxes(generator, 40, 300, 300), torch.zeros(40, dtype=torch.long)
    preds = logits(generator, 40)
    whole = assert_same(preds, boxes, labels, (300, 300))
    for limit in (1, 900):
        monkeypatch.setattr(rle_mask_head, 'BATCH_PIXELS', limit)
        assert predict(RLEMaskHead, preds, boxes, labels, (300, 300)).masks == whole


@pytest.mark.parametrize('threshold', [0.5, 0.02])
def test_as_off_the_cpu(threshold):
    """Windows that reach as far as stock's masks do when it pastes them on the whole image."""
    generator = torch.Generator().manual_seed(5)
    boxes = some_boxes(generator, 90, 120, 100)
    boxes[:10, 2] = boxes[:10, 0]
    boxes[10:20] = boxes[10:20].round()
    boxes[20:25] += 500
    boxes[25:30] = boxes[25:30, [2, 3, 0, 1]]
    for masks in (torch.ones(90, 1, 14, 28), logits(generator, 90, classes=1).sigmoid()):
        pasted, _ = _do_paste_mask(masks, boxes, 120, 100, skip_empty=False)
        stock = encode_mask_results((pasted >= threshold).numpy())
        assert paste_as_rles(masks, boxes, 120, 100, threshold, whole_image=True) == stock


class LargestTensor(TorchDispatchMode):
    """Keeps the most numbers that an operation's result had: tracemalloc does not see torch's memory."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        found = out if isinstance(out, tuple | list) else [out]
        self.numbers = max([self.numbers, *(t.numel() for t in found if isinstance(t, torch.Tensor))])
        return out


@pytest.mark.parametrize('whole_image', [False, True])
def test_no_canvas_of_the_image(whole_image):
    generator, side = torch.Generator().manual_seed(8), 5000
    corner = torch.rand(60, 2, generator=generator) * (side - 40)
    cells = torch.cat([corner, corner + 8 + 24 * torch.rand(60, 2, generator=generator)], 1)
    masks = logits(generator, 60, classes=1).sigmoid()
    with LargestTensor() as largest:  # apart from the other run, as the mode imports much at its first use
        paste_as_rles(masks, cells, side, side, 0.5, whole_image)
    tracemalloc.start()
    try:
        rles = paste_as_rles(masks, cells, side, side, 0.5, whole_image)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (coco_mask.area(rles) > 0).sum() > 30
    assert peak < side * side / 10  # bytes; one mask on a canvas takes 25 MB
    assert 0 < largest.numbers < 60 * 2 * 48**2  # a grid of x and y on every mask's window


def test_images_without_detections_among_others():
    generator = torch.Generator().manual_seed(7)
    head = MODELS.build(dict(type='RLEMaskHead', **HEAD))
    results = [
        InstanceData(bboxes=torch.rand(n, 4).cumsum(1) * 9, labels=torch.zeros(n, dtype=torch.long)) for n in (0, 3, 0)
    ]
    preds = logits(generator, 3).split([0, 3, 0])
    metas = [{'ori_shape': (30, 20), 'scale_factor': (1.0, 1.0)}] * 3
    out = head.predict_by_feat(preds, results, metas, ConfigDict(mask_thr_binary=0.5), rescale=True)
    assert [len(r.masks) for r in out] == [0, 3, 0]
    assert out[0].masks.shape == (0, 30, 20)
    assert len(out[1][torch.tensor([True, False, True])].masks) == 2
