"""Mask R-CNN R50-FPN of MMDetection for dense cells: small anchors, high caps, masks as RLE."""

_base_ = ['mmdet::_base_/models/mask-rcnn_r50_fpn.py', '../parts/anchors.py', '../parts/proposals.py']
num_classes = 4

model = dict(
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint='https://download.pytorch.org/models/resnet50-0676ba61.pth')
    ),
    rpn_head=dict(anchor_generator=_base_.anchors.a8_128),
    roi_head=dict(bbox_head=dict(num_classes=num_classes), mask_head=dict(type='RLEMaskHead', num_classes=num_classes)),
    train_cfg=dict(
        rpn=dict(assigner=dict(type='ChunkedMaxIoUAssigner')),
        rpn_proposal=_base_.caps.rpn5k.rpn,
        rcnn=dict(assigner=dict(type='ChunkedMaxIoUAssigner')),
    ),
    test_cfg=dict(rpn=_base_.caps.rpn5k.rpn, rcnn=_base_.caps.rpn5k.rcnn),
)
