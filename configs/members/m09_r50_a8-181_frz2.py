"""ResNet-50 by the step recipe, with two anchor sizes a level and two stages frozen."""

_base_ = [
    '../_base_/models/mask-rcnn_r50_fpn.py',
    '../_base_/datasets/cells_fold3.py',
    '../_base_/schedules/adamw-4e-4_step3.py',
    '../_base_/default_runtime.py',
]
model = dict(
    backbone=dict(frozen_stages=2),
    rpn_head=dict(anchor_generator=_base_.anchors.a8_181),
    train_cfg=dict(rpn_proposal=_base_.caps.rpn2k.rpn),
    test_cfg=dict(rpn=_base_.caps.rpn2k.rpn, rcnn=_base_.caps.rpn2k.rcnn),
)
train_dataloader = dict(_base_.balanced, batch_size=8)
