"""Cascade Mask R-CNN on Swin-T, whose weights need no package."""

_base_ = [
    '../_base_/models/cascade-mask-rcnn_r50_fpn.py',
    '../_base_/parts/backbones.py',
    '../_base_/datasets/cells_holdout.py',
    '../_base_/schedules/adamw-1e-4_cosine.py',
    '../_base_/default_runtime.py',
]
model = dict(backbone=dict(_base_.backbones.swin_t, _delete_=True), neck=dict(in_channels=[96, 192, 384, 768]))
train_dataloader = dict(_base_.balanced, batch_size=2)
optim_wrapper = dict(type='AmpOptimWrapper')
