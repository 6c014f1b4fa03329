"""ResNeXt-50 by the step recipe, with medium anchors and two stages frozen."""

_base_ = [
    '../_base_/models/mask-rcnn_x50-32x4d_fpn.py',
    '../_base_/datasets/cells_fold0.py',
    '../_base_/schedules/adamw-4e-4_step3.py',
    '../_base_/default_runtime.py',
]
model = dict(
    backbone=dict(frozen_stages=2),
    rpn_head=dict(anchor_generator=_base_.anchors.a16_256),
    test_cfg=dict(rcnn=dict(nms=dict(iou_threshold=0.4))),
)
train_dataloader = _base_.balanced
