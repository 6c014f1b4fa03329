"""The step recipe at the own size of the images, with no cap that cuts: anchors of 8 to 128 px."""

_base_ = [
    '../_base_/models/mask-rcnn_r50v2_fpn.py',
    '../_base_/datasets/cells_holdout.py',
    '../_base_/schedules/adamw-4e-4_step3.py',
    '../_base_/default_runtime.py',
]
model = dict(backbone=dict(init_cfg=None))
train_dataloader = _base_.balanced
load_from = 'checkpoints/maskrcnn_resnet50_fpn_v2_coco_mmdet.pth'  # made by torchvision2mmdet.py
