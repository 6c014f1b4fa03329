"""ResNet-50 with the anchors of MMDetection: what small cells lose by them."""

_base_ = [
    '../_base_/models/mask-rcnn_r50_fpn.py',
    '../_base_/datasets/cells_holdout.py',
    '../_base_/schedules/adamw-1e-4_cosine.py',
    '../_base_/default_runtime.py',
]
model = dict(rpn_head=dict(anchor_generator=_base_.anchors.a32_512))
