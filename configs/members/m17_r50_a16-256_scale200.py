"""ResNet-50 by the step recipe at twice the size of the images, with three stages frozen."""

_base_ = [
    '../_base_/models/mask-rcnn_r50_fpn.py',
    '../_base_/datasets/cells_fold2.py',
    '../_base_/schedules/adamw-4e-4_step3.py',
    '../_base_/default_runtime.py',
]
model = dict(
    backbone=dict(frozen_stages=3),
    rpn_head=dict(anchor_generator=_base_.anchors.a16_256),
    train_cfg=dict(rpn_proposal=_base_.caps.rpn3k.rpn),
    test_cfg=dict(rpn=_base_.caps.rpn3k.rpn, rcnn=dict(_base_.caps.rpn3k.rcnn, nms=dict(iou_threshold=0.6))),
)
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=_base_.pipelines.s200pct.train)))
val_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s200pct.test))
test_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s200pct.test))
train_cfg = dict(max_epochs=12)
