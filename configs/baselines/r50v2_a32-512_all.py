"""The cosine recipe on all labelled images, at their own size, with no cap that cuts."""

_base_ = [
    '../_base_/models/mask-rcnn_r50v2_fpn.py',
    '../_base_/datasets/cells_all.py',
    '../_base_/schedules/adamw-1e-4_cosine.py',
    '../_base_/default_runtime.py',
]
model = dict(backbone=dict(init_cfg=None), rpn_head=dict(anchor_generator=_base_.anchors.a32_512))
optim_wrapper = dict(type='AmpOptimWrapper')
load_from = 'checkpoints/maskrcnn_resnet50_fpn_v2_coco_mmdet.pth'  # made by torchvision2mmdet.py
