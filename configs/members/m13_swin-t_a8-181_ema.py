"""Swin-T with two anchor sizes a level and averaged weights."""

_base_ = [
    '../_base_/models/mask-rcnn_swin-t_fpn.py',
    '../_base_/datasets/cells_fold2.py',
    '../_base_/schedules/adamw-1e-4_cosine.py',
    '../_base_/default_runtime.py',
]
model = dict(
    rpn_head=dict(anchor_generator=_base_.anchors.a8_181),
    train_cfg=dict(rpn_proposal=_base_.caps.rpn2k.rpn),
    test_cfg=dict(rpn=_base_.caps.rpn2k.rpn, rcnn=_base_.caps.rpn2k.rcnn),
)
train_dataloader = _base_.balanced
optim_wrapper = dict(type='AmpOptimWrapper')
custom_hooks = [*_base_.custom_hooks, _base_.ema_hook]
