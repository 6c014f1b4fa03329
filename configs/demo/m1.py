"""First member of the quickstart: EfficientNet-Lite0, anchors of 8 to 128 px, every image as likely as the others."""

_base_ = [
    '../_base_/models/mask-rcnn_lite0_fpn-64.py',
    '../_base_/datasets/demo.py',
    '../_base_/schedules/adamw-1e-3_cosine.py',
    '../_base_/default_runtime.py',
]
model = dict(
    test_cfg=dict(rpn=_base_.caps.rpn2k.rpn, rcnn=_base_.caps.rpn2k.rcnn),
)
train_cfg = dict(max_epochs=4, val_interval=1)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=4, convert_to_iter_based=True)]
