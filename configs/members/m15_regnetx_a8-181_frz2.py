"""RegNetX with two anchor sizes a level, a lenient NMS and two stages frozen."""

_base_ = [
    '../_base_/models/mask-rcnn_regnetx-3.2GF_fpn.py',
    '../_base_/datasets/cells_fold4.py',
    '../_base_/schedules/adamw-1e-4_cosine.py',
    '../_base_/default_runtime.py',
]
model = dict(
    backbone=dict(frozen_stages=2),
    rpn_head=dict(anchor_generator=_base_.anchors.a8_181),
    test_cfg=dict(rcnn=dict(nms=dict(iou_threshold=0.6))),
)
train_dataloader = dict(batch_size=8)
optim_wrapper = dict(type='AmpOptimWrapper')
