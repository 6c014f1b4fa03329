"""torchvision's checkpoints under MMDetection's names, and R50-v2 against torchvision's own model."""

import runpy
import sys
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from torch import Tensor, nn

import mmcellseg  # noqa: F401  (registers)
from mmcellseg.components.models.torchvision_weights import COCO_IDS, convert, mmdet_name

REPO = Path(__file__).resolve().parents[3]
Shapes = dict[str, tuple[int, ...]]
STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))  # width of the 3 × 3 convolutions and blocks of ResNet-50's stages


def batch_norm(name: str, channels: int, counter: bool) -> Shapes:
    shapes = {f'{name}.{key}': (channels,) for key in ('weight', 'bias', 'running_mean', 'running_var')}
    # torchvision's FrozenBatchNorm2d, in its v1 models, has no counter.
    return shapes | ({f'{name}.num_batches_tracked': ()} if counter else {})


def layer(name: str, *weight: int, bias: int | None = None) -> Shapes:
    return {f'{name}.weight': weight} | ({f'{name}.bias': (bias,)} if bias else {})


def resnet50(counter: bool) -> Shapes:
    body = 'backbone.body'
    shapes = layer(f'{body}.conv1', 64, 3, 7, 7) | batch_norm(f'{body}.bn1', 64, counter)
    inputs = 64
    for stage, (width, blocks) in enumerate(STAGES, 1):
        for block in range(blocks):
            name = f'{body}.layer{stage}.{block}'
            sizes = [(width, inputs, 1, 1), (width, width, 3, 3), (4 * width, width, 1, 1)]
            for i, size in enumerate(sizes, 1):
                shapes |= layer(f'{name}.conv{i}', *size) | batch_norm(f'{name}.bn{i}', size[0], counter)
            if block == 0:
                shapes |= layer(f'{name}.downsample.0', 4 * width, inputs, 1, 1)
                shapes |= batch_norm(f'{name}.downsample.1', 4 * width, counter)
            inputs = 4 * width
    return shapes


def published(version: str, classes: int = 91) -> Shapes:
    """Names and shapes of a state dict of torchvision: 'v1-old' (as its file is), 'v1' (since 0.13) or 'v2'."""
    v2, old = version == 'v2', version == 'v1-old'
    shapes = resnet50(counter=v2)

    def conv(name: str, *size: int) -> Shapes:
        """A Conv2dNormActivation of the FPN or of a head: norm in v2, bias in v1."""
        if v2:
            return layer(f'{name}.0', *size) | batch_norm(f'{name}.1', size[0], True)
        return layer(name if old else f'{name}.0', *size, bias=size[0])

    for i, channels in enumerate((256, 512, 1024, 2048)):
        shapes |= conv(f'backbone.fpn.inner_blocks.{i}', 256, channels, 1, 1)
        shapes |= conv(f'backbone.fpn.layer_blocks.{i}', 256, 256, 3, 3)
    for name in ['rpn.head.conv'] if old else [f'rpn.head.conv.{i}.0' for i in range(2 if v2 else 1)]:
        shapes |= layer(name, 256, 256, 3, 3, bias=256)
    shapes |= layer('rpn.head.cls_logits', 3, 256, 1, 1, bias=3)
    shapes |= layer('rpn.head.bbox_pred', 12, 256, 1, 1, bias=12)
    if v2:
        for i in range(4):
            shapes |= conv(f'roi_heads.box_head.{i}', 256, 256, 3, 3)
        shapes |= layer('roi_heads.box_head.5', 1024, 256 * 49, bias=1024)
    else:
        shapes |= layer('roi_heads.box_head.fc6', 1024, 256 * 49, bias=1024)
        shapes |= layer('roi_heads.box_head.fc7', 1024, 1024, bias=1024)
    shapes |= layer('roi_heads.box_predictor.cls_score', classes, 1024, bias=classes)
    shapes |= layer('roi_heads.box_predictor.bbox_pred', 4 * classes, 1024, bias=4 * classes)
    for i in range(4):
        shapes |= conv(f'roi_heads.mask_head.{f"mask_fcn{i + 1}" if old else i}', 256, 256, 3, 3)
    shapes |= layer('roi_heads.mask_predictor.conv5_mask', 256, 256, 2, 2, bias=256)
    shapes |= layer('roi_heads.mask_predictor.mask_fcn_logits', classes, 256, 1, 1, bias=classes)
    return shapes


def empty_state(version: str, classes: int = 91) -> dict[str, Tensor]:
    return {name: torch.empty(shape, device='meta') for name, shape in published(version, classes).items()}


def build(version: str, num_classes: int) -> nn.Module:
    name = 'r50v2' if version == 'v2' else 'r50'
    cfg = Config.fromfile(REPO / f'configs/_base_/models/mask-rcnn_{name}_fpn.py').model
    cfg.roi_head.bbox_head.num_classes = cfg.roi_head.mask_head.num_classes = num_classes
    with torch.device('meta'):
        return MODELS.build(dict(cfg, _scope_='mmdet'))


@pytest.mark.parametrize('version', ['v1-old', 'v1', 'v2'])
def test_every_tensor_has_its_place_in_the_mmdet_model(version: str):
    kept = convert(empty_state(version), keep_heads=True)
    model = build(version, num_classes=80)
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    missing = {name for name in expected if name not in kept}
    assert all(name.endswith('num_batches_tracked') for name in missing)
    assert bool(missing) == (version != 'v2')
    assert {name: tuple(value.shape) for name, value in kept.items()} == {
        name: shape for name, shape in expected.items() if name not in missing
    }


def test_without_heads_the_three_last_layers_are_left_out_and_other_classes_are_kept():
    layers = ('roi_head.bbox_head.fc_cls', 'roi_head.bbox_head.fc_reg', 'roi_head.mask_head.conv_logits')
    kept, model = convert(empty_state('v2', classes=5), keep_heads=True), build('v2', num_classes=4)
    dropped = set(kept) - set(convert(empty_state('v2', classes=5)))
    assert dropped == {f'{name}.{key}' for name in layers for key in ('weight', 'bias')}
    for name in layers:
        assert kept[f'{name}.weight'].shape == model.get_submodule(name).weight.shape


def test_background_goes_last_or_away():
    state = {name: torch.zeros(shape) for name, shape in published('v1').items() if 'predictor' in name}
    numbers = torch.arange(91.0)
    state['roi_heads.box_predictor.cls_score.bias'] = numbers
    sides = torch.tensor([0, 0.25, 0.5, 0.75]).repeat(91)
    state['roi_heads.box_predictor.bbox_pred.bias'] = numbers.repeat_interleave(4) + sides
    state['roi_heads.mask_predictor.mask_fcn_logits.bias'] = numbers
    kept = convert(state, keep_heads=True)
    assert len(COCO_IDS) == 80
    assert kept['roi_head.bbox_head.fc_cls.bias'].tolist() == [*COCO_IDS, 0]
    # Category 13, the stop sign, is the twelfth of MMDetection's classes.
    assert kept['roi_head.bbox_head.fc_reg.bias'].reshape(80, 4)[11].tolist() == [13, 13.25, 13.5, 13.75]
    assert kept['roi_head.mask_head.conv_logits.bias'].tolist() == list(COCO_IDS)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=r'not a state dict .* 1 other names, such as backbone\.stem'):
        convert(empty_state('v1') | {'backbone.stem': torch.zeros(1)})
    with pytest.raises(ValueError, match='the class head is missing'):
        convert({'backbone.body.conv1.weight': torch.zeros(1)})
    assert mmdet_name('head.weight') is None


def test_tool_writes_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    state = {name: torch.zeros(shape) for name, shape in published('v1-old').items() if 'predictor' in name}
    torch.save(state, tmp_path / 'tv.pth')
    out = tmp_path / 'new' / 'mmdet.pth'
    monkeypatch.setattr(sys, 'argv', ['torchvision2mmdet', str(tmp_path / 'tv.pth'), str(out), '--keep-heads'])
    runpy.run_path(str(REPO / 'tools/model_converters/torchvision2mmdet.py'), run_name='__main__')
    assert len(torch.load(out, weights_only=True)['state_dict']) == len(state)
    assert f'{len(state)} of {len(state)} tensors' in capsys.readouterr().out
    torch.save({'fc.weight': torch.zeros(1)}, tmp_path / 'tv.pth')
    with pytest.raises(SystemExit, match=r'tv\.pth: not a state dict of a torchvision Mask R-CNN'):
        runpy.run_path(str(REPO / 'tools/model_converters/torchvision2mmdet.py'), run_name='__main__')


def test_r50v2_has_the_published_number_of_trainable_parameters():
    """With anchors of 8–128 px, four classes and the first stage frozen: torchvision's count less background's."""
    model = build('v2', num_classes=4)
    parts = {
        name: sum(p.numel() for p in module.parameters() if p.requires_grad)
        for name, module in (*model.named_children(), *model.roi_head.named_children())
    }
    # ResNet-50 has 23,508,032 parameters, batch norm's affine among them; 225,344 of them are in conv1 (9,408), bn1
    # (128) and layer1 (215,808), which are frozen.
    assert parts['backbone'] == 23_508_032 - 9_408 - 128 - 215_808 == 23_282_688
    # Lateral 1 × 1 and output 3 × 3 convolutions to 256 channels without bias, each with a batch norm.
    assert parts['neck'] == (256 + 512 + 1024 + 2048) * 256 + 4 * 256 * 256 * 9 + 8 * 2 * 256 == 3_346_432
    # Two 3 × 3 convolutions; three anchors with one score and four offsets each.
    assert parts['rpn_head'] == 2 * (256 * 256 * 9 + 256) + 3 * 5 * (256 + 1) == 1_184_015
    convs = 4 * (256 * 256 * 9 + 2 * 256)
    # One fully connected layer on 7 × 7 × 256; 4 + 1 class scores and 4 × 4 offsets.
    assert parts['bbox_head'] == convs + (12544 + 1) * 1024 + (5 + 16) * (1024 + 1) == 15_228_949
    # A 2 × 2 transposed convolution, and one mask a class.
    assert parts['mask_head'] == convs + 4 * 256 * 256 + 256 + 4 * (256 + 1) == 2_624_772
    total = sum(parts[name] for name in ('backbone', 'neck', 'rpn_head', 'roi_head'))
    background = 4 * (1024 + 1) + (256 + 1)  # one more class in box regression and in the masks
    assert total == 45_671_213 - background == 45_666_856


@pytest.mark.parametrize('version', ['v1', 'v2'])
def test_modules_agree_with_torchvision(version: str):
    detection = pytest.importorskip('torchvision.models.detection')
    torch.manual_seed(0)
    make = detection.maskrcnn_resnet50_fpn_v2 if version == 'v2' else detection.maskrcnn_resnet50_fpn
    theirs = make(weights=None, weights_backbone=None).eval()
    name = 'r50v2' if version == 'v2' else 'r50'
    cfg = Config.fromfile(REPO / f'configs/_base_/models/mask-rcnn_{name}_fpn.py').model
    cfg.roi_head.bbox_head.num_classes = cfg.roi_head.mask_head.num_classes = 80
    ours = MODELS.build(dict(cfg, _scope_='mmdet')).eval()
    ours.load_state_dict(convert(theirs.state_dict(), keep_heads=True), strict=version == 'v2')

    def agree(a: Tensor, b: Tensor) -> None:
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)

    image = torch.rand(1, 3, 128, 160)
    with torch.no_grad():
        maps, expected = ours.extract_feat(image), list(theirs.backbone(image).values())
        for a, b in zip(maps, expected, strict=True):
            agree(a, b)
        for a, b in zip(ours.rpn_head(maps), theirs.rpn.head(expected), strict=True):
            for x, y in zip(a, b, strict=True):
                agree(x, y)
        rois = torch.rand(5, 256, 7, 7)
        score, offset = ours.roi_head.bbox_head(rois)
        their_score, their_offset = theirs.roi_heads.box_predictor(theirs.roi_heads.box_head(rois))
        agree(score, their_score[:, [*COCO_IDS, 0]])
        agree(offset, their_offset.reshape(5, 91, 4)[:, list(COCO_IDS)].flatten(1))
        rois = torch.rand(5, 256, 14, 14)
        masks = theirs.roi_heads.mask_predictor(theirs.roi_heads.mask_head(rois))
        agree(ours.roi_head.mask_head(rois), masks[:, list(COCO_IDS)])
