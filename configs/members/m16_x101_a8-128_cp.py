"""ResNeXt-101 with pasted cells of rare classes and averaged weights."""

_base_ = [
    '../_base_/models/mask-rcnn_x101-32x4d_fpn.py',
    '../_base_/datasets/cells_fold0.py',
    '../_base_/schedules/adamw-1e-4_cosine.py',
    '../_base_/default_runtime.py',
]
train_pipeline = [*_base_.load_train, _base_.crops.c512, _base_.copy_paste, *_base_.flip, *_base_.pack_train]
train_dataloader = dict(_base_.balanced, dataset=dict(_base_.balanced.dataset, dataset=dict(pipeline=train_pipeline)))
optim_wrapper = dict(type='AmpOptimWrapper')
custom_hooks = [*_base_.custom_hooks, _base_.ema_hook]
