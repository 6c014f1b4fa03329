"""ResNet-101 with pasted cells of rare classes and averaged weights, for 30 epochs."""

_base_ = [
    '../_base_/models/mask-rcnn_r101_fpn.py',
    '../_base_/datasets/cells_fold1.py',
    '../_base_/schedules/adamw-1e-4_cosine.py',
    '../_base_/default_runtime.py',
]
model = dict(
    train_cfg=dict(rpn_proposal=_base_.caps.rpn3k.rpn),
    test_cfg=dict(rpn=_base_.caps.rpn3k.rpn, rcnn=_base_.caps.rpn3k.rcnn),
)
train_pipeline = [*_base_.load_train, _base_.crops.c512, _base_.copy_paste, *_base_.flip, *_base_.pack_train]
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
optim_wrapper = dict(type='AmpOptimWrapper')
train_cfg = dict(max_epochs=30)
param_scheduler = [dict(type='CosineAnnealingLR', T_max=30, eta_min=1e-6)]
custom_hooks = [*_base_.custom_hooks, _base_.ema_hook]
