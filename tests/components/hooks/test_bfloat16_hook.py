"""Layers in bfloat16, everything between them in float32, and the copy of an averaged model no exception."""

import copy
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from mmcellseg.components.hooks import bfloat16_hook
from mmcellseg.components.hooks.bfloat16_hook import (
    BFloat16Hook,
    has_bfloat16,
    network_parts,
    use_bfloat16,
    use_channels_last,
)
from mmcellseg.components.models.cell_tta_model import CellTTAModel


class Neck(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 4, 3)
        self.seen = []

    def forward(self, x):
        y = self.conv(x)
        self.seen.append((y.dtype, torch.is_autocast_enabled('cpu')))
        return [y, (y * 2,)]


def tiny_detector() -> nn.Module:
    torch.manual_seed(0)
    model = nn.Module()
    model.backbone = nn.Conv2d(3, 8, 3)
    model.neck = Neck()
    model.roi_head = nn.Module()
    model.roi_head.bbox_head = nn.ModuleList([nn.Linear(4, 2), nn.Linear(4, 2)])  # a cascade's
    return model


def test_layers_are_bfloat16_and_what_leaves_them_is_float32_and_row_major():
    model, exact = tiny_detector(), tiny_detector()
    assert list(network_parts(model)) == [model.backbone, model.neck, *model.roi_head.bbox_head]
    use_bfloat16(model)
    x = torch.rand(2, 3, 9, 9)
    features = model.backbone(x)
    first, (second,) = model.neck(features)
    assert model.neck.seen == [(torch.bfloat16, True)]
    assert not torch.is_autocast_enabled('cpu')
    for value in (features, first, second, model.roi_head.bbox_head[1](torch.rand(5, 4))):
        assert value.dtype == torch.float32
        assert value.is_contiguous()
    expected = exact.backbone(x)
    assert not torch.equal(features, expected)
    torch.testing.assert_close(features, expected, rtol=0.02, atol=0.02)
    first.sum().backward()
    assert model.backbone.weight.grad.dtype == torch.float32


def test_twice_is_once_and_a_failure_leaves_no_mode_behind():
    model = tiny_detector()
    use_bfloat16(model)
    use_bfloat16(model)
    assert len(model.backbone._forward_pre_hooks) == 1
    with pytest.raises(RuntimeError, match='channels'):
        model.backbone(torch.rand(1, 5, 9, 9))
    assert not torch.is_autocast_enabled('cpu')


class Layers(nn.Module):
    """A depthwise and a transposed convolution, which notes what the first gives."""

    def __init__(self):
        super().__init__()
        self.depthwise = nn.Conv2d(8, 8, 3, groups=8)
        self.upsample = nn.ConvTranspose2d(8, 4, 2, stride=2)

    def forward(self, x):
        y = self.depthwise(x)
        self.seen = (y.dtype, torch.is_autocast_enabled('cpu'))
        return self.upsample(y)


def test_slow_gradients_are_avoided_with_the_same_results():
    torch.manual_seed(0)
    model = nn.Module()
    model.backbone = Layers()
    exact = copy.deepcopy(model)
    use_bfloat16(model)
    x = torch.rand(3, 8, 9, 9)
    found, expected = model.backbone(x), exact.backbone(x)
    assert model.backbone.seen == (torch.float32, True)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.02)
    (found**2).sum().backward()
    (expected**2).sum().backward()
    for (name, weight), reference in zip(model.named_parameters(), exact.parameters(), strict=True):
        torch.testing.assert_close(weight.grad, reference.grad, rtol=0.03, atol=0.5, msg=name)
    # The bias gets 3 × 14 × 14 gradients, each twice the output: more than the tolerance tells apart from none.
    assert exact.backbone.upsample.bias.grad.abs().min() > 5


def test_a_failure_gives_the_bias_back():
    model = nn.Module()
    model.backbone = Layers()
    use_bfloat16(model)
    names = list(model.state_dict())
    with pytest.raises(RuntimeError, match='channels'):
        model.backbone.upsample(torch.rand(1, 5, 9, 9))
    with pytest.raises(RuntimeError, match='channels'):
        model.backbone(torch.rand(1, 5, 9, 9))
    assert list(model.state_dict()) == names
    assert not torch.is_autocast_enabled('cpu')


def test_a_copy_computes_with_its_own_weights():
    model = tiny_detector()
    use_bfloat16(model)
    averaged = copy.deepcopy(model)
    with torch.no_grad():
        averaged.backbone.weight.zero_()
        averaged.backbone.bias.fill_(3)
    assert averaged.backbone(torch.rand(1, 3, 9, 9)).unique().tolist() == [3.0]


@pytest.mark.parametrize('capable', [False, True])
def test_a_cpu_without_bfloat16_goes_on_in_float32(monkeypatch, capable):
    """And what wraps the model, mirrored views and several processes, makes no difference."""
    monkeypatch.setattr(bfloat16_hook, 'has_bfloat16', lambda device: capable)
    detector = tiny_detector()
    detector.test_step = detector.forward
    model = nn.DataParallel(CellTTAModel(module=detector))  # a wrapper as the distributed one, without processes
    BFloat16Hook().before_run(SimpleNamespace(model=model))
    detector.neck(detector.backbone(torch.rand(1, 3, 9, 9)))
    assert detector.neck.seen == [(torch.bfloat16 if capable else torch.float32, capable)]


@pytest.mark.skipif(not Path('/proc/cpuinfo').is_file(), reason='needs Linux')
def test_a_cpu_has_bfloat16_by_its_own_words():
    """oneDNN says yes on every CPU with AVX-512."""
    flags = re.search(r'^(?:flags|Features)\s*:(.*)$', Path('/proc/cpuinfo').read_text(), re.MULTILINE)[1].split()
    assert has_bfloat16('cpu') == bool({'avx512_bf16', 'bf16'} & set(flags))


def test_channels_last_changes_no_value_and_hands_on_rows():
    model = tiny_detector()
    before = model.backbone(torch.ones(2, 3, 9, 9))
    use_channels_last(model)
    use_channels_last(model)
    after = model.backbone(torch.ones(2, 3, 9, 9))
    assert model.backbone.weight.is_contiguous(memory_format=torch.channels_last)
    assert after.is_contiguous()
    torch.testing.assert_close(after, before)
    assert len(model.backbone._forward_hooks) == 1
