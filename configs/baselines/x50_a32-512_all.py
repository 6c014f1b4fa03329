"""ResNeXt-50 on all labelled images, at their own size, with no cap that cuts."""

_base_ = [
    '../_base_/models/mask-rcnn_x50-32x4d_fpn.py',
    '../_base_/datasets/cells_all.py',
    '../_base_/schedules/adamw-1e-4_cosine.py',
    '../_base_/default_runtime.py',
]
model = dict(rpn_head=dict(anchor_generator=_base_.anchors.a32_512))
optim_wrapper = dict(type='AmpOptimWrapper')
