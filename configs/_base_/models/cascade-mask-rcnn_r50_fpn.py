"""Cascade Mask R-CNN R50-FPN of MMDetection with the anchors and caps of ``mask-rcnn_r50_fpn.py``."""

_base_ = ['mmdet::_base_/models/cascade-mask-rcnn_r50_fpn.py', '../parts/anchors.py', '../parts/proposals.py']
num_classes = 4

model = dict(
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint='https://download.pytorch.org/models/resnet50-0676ba61.pth')
    ),
    rpn_head=dict(anchor_generator=_base_.anchors.a8_128),
    roi_head=dict(
        # A list replaces a list: the three heads and stages are the base's with another number of classes.
        bbox_head=[dict(head, num_classes=num_classes) for head in _base_.model.roi_head.bbox_head],
        mask_head=dict(type='RLEMaskHead', num_classes=num_classes),
    ),
    train_cfg=dict(
        rpn=dict(assigner=dict(type='ChunkedMaxIoUAssigner')),
        rpn_proposal=_base_.caps.rpn5k.rpn,
        rcnn=[
            dict(stage, assigner=dict(stage.assigner, type='ChunkedMaxIoUAssigner'))
            for stage in _base_.model.train_cfg.rcnn
        ],
    ),
    test_cfg=dict(rpn=_base_.caps.rpn5k.rpn, rcnn=_base_.caps.rpn5k.rcnn),
)
