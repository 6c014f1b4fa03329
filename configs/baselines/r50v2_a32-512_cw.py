"""The step recipe at the own size of the images, with no cap that cuts: anchors of 32 to 512 px."""

_base_ = [
    '../_base_/models/mask-rcnn_r50v2_fpn.py',
    '../_base_/datasets/cells_holdout.py',
    '../_base_/schedules/adamw-4e-4_step3.py',
    '../_base_/default_runtime.py',
]
model = dict(backbone=dict(init_cfg=None), rpn_head=dict(anchor_generator=_base_.anchors.a32_512))
train_dataloader = _base_.balanced
load_from = 'checkpoints/maskrcnn_resnet50_fpn_v2_coco_mmdet.pth'  # made by torchvision2mmdet.py
