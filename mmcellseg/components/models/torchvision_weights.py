"""torchvision's Mask R-CNN weights under MMDetection's names.

Covers ``maskrcnn_resnet50_fpn`` (v1, with the names of before and after torchvision 0.13) and
``maskrcnn_resnet50_fpn_v2``. The layers are the same; names, the order of classes (torchvision: background first,
MMDetection: last) and the outputs for background (MMDetection has none in box regression and masks) differ.
"""

import re
from collections.abc import Mapping

from torch import Tensor

# torchvision's COCO heads have 91 outputs: background and the category ids 1–90, of which COCO uses 80.
UNUSED_COCO_IDS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
COCO_IDS = tuple(i for i in range(1, 91) if i not in UNUSED_COCO_IDS)

_CLASS_HEADS = ('roi_head.bbox_head.fc_cls', 'roi_head.bbox_head.fc_reg', 'roi_head.mask_head.conv_logits')
_LAYER = {'0': 'conv', '1': 'bn'}
_RULES: list[tuple[str, str]] = [
    (r'backbone\.body\.(.+)', r'backbone.\1'),
    (r'backbone\.fpn\.inner_blocks\.(\d)\.(weight|bias)', r'neck.lateral_convs.\1.conv.\2'),
    (r'backbone\.fpn\.layer_blocks\.(\d)\.(weight|bias)', r'neck.fpn_convs.\1.conv.\2'),
    (r'backbone\.fpn\.inner_blocks\.(\d)\.([01])\.(\w+)', r'neck.lateral_convs.\1.@\2.\3'),
    (r'backbone\.fpn\.layer_blocks\.(\d)\.([01])\.(\w+)', r'neck.fpn_convs.\1.@\2.\3'),
    (r'rpn\.head\.conv\.(weight|bias)', r'rpn_head.rpn_conv.\1'),
    (r'rpn\.head\.conv\.(\d)\.0\.(weight|bias)', r'rpn_head.rpn_conv.\1.conv.\2'),
    (r'rpn\.head\.cls_logits\.(\w+)', r'rpn_head.rpn_cls.\1'),
    (r'rpn\.head\.bbox_pred\.(\w+)', r'rpn_head.rpn_reg.\1'),
    (r'roi_heads\.box_head\.fc6\.(\w+)', r'roi_head.bbox_head.shared_fcs.0.\1'),
    (r'roi_heads\.box_head\.fc7\.(\w+)', r'roi_head.bbox_head.shared_fcs.1.\1'),
    (r'roi_heads\.box_head\.(\d)\.([01])\.(\w+)', r'roi_head.bbox_head.shared_convs.\1.@\2.\3'),
    (r'roi_heads\.box_head\.5\.(\w+)', r'roi_head.bbox_head.shared_fcs.0.\1'),
    (r'roi_heads\.box_predictor\.cls_score\.(\w+)', r'roi_head.bbox_head.fc_cls.\1'),
    (r'roi_heads\.box_predictor\.bbox_pred\.(\w+)', r'roi_head.bbox_head.fc_reg.\1'),
    (r'roi_heads\.mask_head\.(\d)\.([01])\.(\w+)', r'roi_head.mask_head.convs.\1.@\2.\3'),
    (r'roi_heads\.mask_predictor\.conv5_mask\.(\w+)', r'roi_head.mask_head.upsample.\1'),
    (r'roi_heads\.mask_predictor\.mask_fcn_logits\.(\w+)', r'roi_head.mask_head.conv_logits.\1'),
]


def mmdet_name(name: str, rpn_convs: int = 1) -> str | None:
    """MMDetection's name of a torchvision parameter or buffer, None if there is none.

    Args:
        name: In ``maskrcnn_resnet50_fpn(_v2)().state_dict()``.
        rpn_convs: Convolutions of the RPN head. MMDetection numbers them only if there are several.
    """
    mask_fcn = re.fullmatch(r'roi_heads\.mask_head\.mask_fcn(\d)\.(\w+)', name)
    if mask_fcn:  # numbered from 1
        return f'roi_head.mask_head.convs.{int(mask_fcn[1]) - 1}.conv.{mask_fcn[2]}'
    for pattern, replacement in _RULES:
        match = re.fullmatch(pattern, name)
        if match:
            found = re.sub(r'@([01])', lambda m: _LAYER[m[1]], match.expand(replacement))
            return found.replace('rpn_conv.0.conv', 'rpn_conv') if rpn_convs == 1 else found
    return None


def _without_background(name: str, value: Tensor, classes: list[int]) -> Tensor:
    """A class head's outputs for these torchvision classes, in MMDetection's order."""
    if name.startswith('roi_head.bbox_head.fc_cls'):
        return value[[*classes, 0]]
    if name.startswith('roi_head.bbox_head.fc_reg'):
        return value.reshape(-1, 4, *value.shape[1:])[classes].flatten(0, 1)
    return value[classes]


def convert(state: Mapping[str, Tensor], keep_heads: bool = False) -> dict[str, Tensor]:
    """The state dict of the MMDetection model with torchvision's weights.

    Args:
        state: Of a torchvision Mask R-CNN with a ResNet-FPN backbone.
        keep_heads: Keep the last layer of the class, box and mask branches. Those of a COCO checkpoint become
            MMDetection's 80 classes, others keep all their classes. Without it the layers are left out, for a model
            with classes of its own.

    Raises:
        ValueError: If a name is not one of such a model's, naming it.
    """
    rpn_convs = 2 if 'rpn.head.conv.1.0.weight' in state else 1
    names = {name: mmdet_name(name, rpn_convs) for name in state}
    unknown = [name for name, found in names.items() if found is None]
    if unknown or 'roi_heads.box_predictor.cls_score.weight' not in state:
        found = f'it has {len(unknown)} other names, such as {unknown[0]}' if unknown else 'the class head is missing'
        raise ValueError(f'not a state dict of a torchvision Mask R-CNN with ResNet and FPN: {found}')
    outputs = len(state['roi_heads.box_predictor.cls_score.weight'])
    classes = list(COCO_IDS) if outputs == 91 else list(range(1, outputs))
    converted = {}
    for name, value in state.items():
        found = str(names[name])
        if found.startswith(_CLASS_HEADS):
            if keep_heads:
                converted[found] = _without_background(found, value, classes)
        else:
            converted[found] = value
    return converted
