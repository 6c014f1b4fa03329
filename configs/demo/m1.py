"""First member of the quickstart: anchors of 8 to 128 px, every image as likely as the others."""

_base_ = [
    '../_base_/models/mask-rcnn_r18_fpn-64.py',
    '../_base_/datasets/demo.py',
    '../_base_/schedules/adamw-1e-3_cosine.py',
    '../_base_/default_runtime.py',
]
model = dict(
    train_cfg=dict(rpn_proposal=_base_.caps.rpn2k.rpn),
    test_cfg=dict(rpn=_base_.caps.rpn2k.rpn, rcnn=_base_.caps.rpn2k.rcnn),
)
train_cfg = dict(max_epochs=5, val_interval=1)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=5, convert_to_iter_based=True)]
