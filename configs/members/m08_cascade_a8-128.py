"""A cascade of three box heads on ResNet-50."""

_base_ = [
    '../_base_/models/cascade-mask-rcnn_r50_fpn.py',
    '../_base_/datasets/cells_fold2.py',
    '../_base_/schedules/adamw-1e-4_cosine.py',
    '../_base_/default_runtime.py',
]
train_dataloader = _base_.balanced
optim_wrapper = dict(type='AmpOptimWrapper')
