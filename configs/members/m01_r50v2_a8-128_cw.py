"""ResNet-50 v2 by the step recipe, rare classes drawn more often."""

_base_ = [
    '../_base_/models/mask-rcnn_r50v2_fpn.py',
    '../_base_/datasets/cells_fold0.py',
    '../_base_/schedules/adamw-4e-4_step3.py',
    '../_base_/default_runtime.py',
]
model = dict(backbone=dict(init_cfg=None))
train_dataloader = _base_.balanced
load_from = 'checkpoints/maskrcnn_resnet50_fpn_v2_coco_mmdet.pth'  # made by torchvision2mmdet.py
