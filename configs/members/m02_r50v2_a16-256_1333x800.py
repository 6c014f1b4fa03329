"""ResNet-50 v2 with medium anchors on resized images, two stages frozen."""

_base_ = [
    '../_base_/models/mask-rcnn_r50v2_fpn.py',
    '../_base_/datasets/cells_fold1.py',
    '../_base_/schedules/adamw-1e-4_cosine.py',
    '../_base_/default_runtime.py',
]
model = dict(
    backbone=dict(init_cfg=None, frozen_stages=2),
    rpn_head=dict(anchor_generator=_base_.anchors.a16_256),
    test_cfg=dict(rcnn=dict(nms=dict(iou_threshold=0.4))),
)
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=_base_.pipelines.s1333x800.train)))
val_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s1333x800.test))
test_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s1333x800.test))
optim_wrapper = dict(type='AmpOptimWrapper')
load_from = 'checkpoints/maskrcnn_resnet50_fpn_v2_coco_mmdet.pth'  # made by torchvision2mmdet.py
