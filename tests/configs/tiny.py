"""Every architecture of the family, small enough for a training step in a second on one core."""

import copy
from typing import Any

WIDTH = 8
BACKBONES: dict[str, tuple[dict[str, Any], list[int]]] = {
    'ResNet': ({'base_channels': 4}, [16, 32, 64, 128]),
    'ResNeXt': ({'base_channels': 4, 'groups': 2, 'base_width': 4}, [16, 32, 64, 128]),
    'RegNet': (
        {'arch': {'w0': 8, 'wa': 14.0, 'wm': 2.0, 'group_w': 8, 'depth': 5, 'bot_mul': 1.0}},
        [8, 16, 32, 64],
    ),
    'EfficientNetLite': ({}, [24, 40, 112, 320]),  # small as it is
    'SwinTransformer': ({'embed_dims': 8, 'num_heads': [1, 1, 2, 2]}, [8, 16, 32, 64]),
}
SIZES = {'in_channels', 'feat_channels', 'out_channels', 'conv_out_channels'}


def shrink(part: Any) -> Any:
    """Channels of the neck and the heads."""
    if isinstance(part, list):
        return [shrink(item) for item in part]
    if not isinstance(part, dict):
        return part
    small = {key: WIDTH if key in SIZES and isinstance(value, int) else shrink(value) for key, value in part.items()}
    if 'fc_out_channels' in small:
        small['fc_out_channels'] = 2 * WIDTH
    if small.get('type') in ('Shared4Conv1FCBBoxHead', 'RLEMaskHead'):
        small['conv_out_channels'] = WIDTH
    return small


def tiny_model(model: dict) -> dict:
    """The same layers with few channels, 16 RoIs an image and no weights to load."""
    small = copy.deepcopy(model)
    backbone = small['backbone']
    change, channels = BACKBONES[backbone['type']]
    backbone.update(change, init_cfg=None)
    if backbone['type'] == 'ResNet' and backbone['depth'] == 18:
        channels = [4, 8, 16, 32]
    for part in ('neck', 'rpn_head', 'roi_head'):
        small[part] = shrink(small[part])
    small['neck']['in_channels'] = channels
    rcnn = small['train_cfg']['rcnn']
    for stage in rcnn if isinstance(rcnn, list) else [rcnn]:
        stage['sampler']['num'] = 16
    small['train_cfg']['rpn_proposal'].update(nms_pre=100, max_per_img=100)
    return small


def tiny_pipeline(pipeline: list[dict]) -> list[dict]:
    """The same steps on 64 px; a factor stays a factor."""
    small = copy.deepcopy(pipeline)
    for step in small:
        if step['type'] == 'RandomCrop':
            step['crop_size'] = (64, 64)
        if 'scale' in step:
            step['scale'] = (64, 64)
    return small
