"""torchvision's Mask R-CNN weights under MMDetection's names.

Covers ``maskrcnn_resnet50_fpn`` (v1, with the names of before and after torchvision 0.13) and
``maskrcnn_resnet50_fpn_v2``. The layers are the same; names, the order of classes (torchvision: background first,
MMDetection: last) and the outputs for background (MMDetection has none in box regression and masks) differ.
"""

import re
from collections.abc import Mapping

from torch import Tensor

# torchvision's COCO heads have 91 outputs: background and the category ids 1–90, of which COCO uses 80.
COCO_IDS = [i for i in range(1, 91) if i not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)]
_CLASS_HEADS = ('roi_head.bbox_head.fc_cls', 'roi_head.bbox_head.fc_reg', 'roi_head.mask_head.conv_logits')
_NUMBERED = r'\.(\d)(?:\.([01]))?\.(\w+)'  # a convolution, or in v2 its place 0 and its norm's 1
_RULES = {
    r'backbone\.body\.(.+)': r'backbone.\1',
    rf'backbone\.fpn\.inner_blocks{_NUMBERED}': r'neck.lateral_convs.\1.@\2.\3',
    rf'backbone\.fpn\.layer_blocks{_NUMBERED}': r'neck.fpn_convs.\1.@\2.\3',
    r'rpn\.head\.conv\.(weight|bias)': r'rpn_head.rpn_conv.\1',
    r'rpn\.head\.conv\.(\d)\.0\.(weight|bias)': r'rpn_head.rpn_conv.\1.conv.\2',
    r'rpn\.head\.cls_logits\.(\w+)': r'rpn_head.rpn_cls.\1',
    r'rpn\.head\.bbox_pred\.(\w+)': r'rpn_head.rpn_reg.\1',
    r'roi_heads\.box_head\.(?:fc6|5)\.(\w+)': r'roi_head.bbox_head.shared_fcs.0.\1',
    r'roi_heads\.box_head\.fc7\.(\w+)': r'roi_head.bbox_head.shared_fcs.1.\1',
    rf'roi_heads\.box_head{_NUMBERED}': r'roi_head.bbox_head.shared_convs.\1.@\2.\3',
    r'roi_heads\.box_predictor\.cls_score\.(\w+)': r'roi_head.bbox_head.fc_cls.\1',
    r'roi_heads\.box_predictor\.bbox_pred\.(\w+)': r'roi_head.bbox_head.fc_reg.\1',
    rf'roi_heads\.mask_head{_NUMBERED}': r'roi_head.mask_head.convs.\1.@\2.\3',
    r'roi_heads\.mask_predictor\.conv5_mask\.(\w+)': r'roi_head.mask_head.upsample.\1',
    r'roi_heads\.mask_predictor\.mask_fcn_logits\.(\w+)': r'roi_head.mask_head.conv_logits.\1',
}


def mmdet_name(name: str, rpn_convs: int = 1) -> str | None:
    """MMDetection's name of a torchvision parameter or buffer, None if there is none.

    MMDetection numbers the ``rpn_convs`` convolutions of the RPN head only if there are several.
    """
    name = re.sub(r'\.mask_fcn(\d)', lambda old: f'.{int(old[1]) - 1}', name)  # before 0.13, counted from 1
    for pattern, replacement in _RULES.items():
        if match := re.fullmatch(pattern, name):
            found = re.sub('@0?', 'conv', match.expand(replacement).replace('@1', 'bn'))
            return found.replace('rpn_conv.0.conv', 'rpn_conv') if rpn_convs == 1 else found
    return None


def convert(state: Mapping[str, Tensor], keep_heads: bool = False) -> dict[str, Tensor]:
    """The state dict of the MMDetection model with the weights of a torchvision Mask R-CNN with ResNet and FPN.

    Args:
        keep_heads: Keep the last layer of the class, box and mask branches. Those of a COCO checkpoint become
            MMDetection's 80 classes, others keep all their classes. Without it the layers are left out, for a model
            with classes of its own.
    """
    names = {name: mmdet_name(name, 2 if 'rpn.head.conv.1.0.weight' in state else 1) for name in state}
    unknown = [name for name, found in names.items() if found is None]
    if unknown or 'roi_heads.box_predictor.cls_score.weight' not in state:
        found = f'it has {len(unknown)} other names, such as {unknown[0]}' if unknown else 'the class head is missing'
        raise ValueError(f'not a state dict of a torchvision Mask R-CNN with ResNet and FPN: {found}')
    outputs = len(state['roi_heads.box_predictor.cls_score.weight'])
    classes = COCO_IDS if outputs == 91 else list(range(1, outputs))
    converted = {str(names[name]): value for name, value in state.items()}
    for name, value in list(converted.items()):
        if name.startswith(_CLASS_HEADS) and not keep_heads:
            del converted[name]
        elif name.startswith('roi_head.bbox_head.fc_cls'):
            converted[name] = value[[*classes, 0]]
        elif name.startswith('roi_head.bbox_head.fc_reg'):
            converted[name] = value.reshape(-1, 4, *value.shape[1:])[classes].flatten(0, 1)
        elif name.startswith(_CLASS_HEADS):
            converted[name] = value[classes]
    return converted
