"""What README's picture shows: EfficientNet-Lite0 on drawn tissue, 600 steps of 4 crops."""

_base_ = [
    '../_base_/models/mask-rcnn_lite0_fpn-64.py',
    '../_base_/datasets/demo.py',
    '../_base_/schedules/adamw-1e-3_cosine.py',
    '../_base_/default_runtime.py',
]
rois = dict(num=64, pos_fraction=0.5)
model = dict(rpn_head=dict(anchor_generator=_base_.anchors.a11_256), train_cfg=dict(rcnn=dict(sampler=rois)))
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.3))))
train_cfg = dict(max_epochs=15, val_interval=5)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=15, convert_to_iter_based=True)]
custom_hooks = [*_base_.custom_hooks, _base_.bfloat16_hook]
