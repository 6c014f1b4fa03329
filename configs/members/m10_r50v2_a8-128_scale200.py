"""ResNet-50 v2 at twice the size of the images, with a lenient NMS."""

_base_ = [
    '../_base_/models/mask-rcnn_r50v2_fpn.py',
    '../_base_/datasets/cells_fold4.py',
    '../_base_/schedules/adamw-1e-4_cosine.py',
    '../_base_/default_runtime.py',
]
model = dict(backbone=dict(init_cfg=None), test_cfg=dict(rcnn=dict(nms=dict(iou_threshold=0.6))))
train_dataloader = dict(batch_size=2, dataset=dict(dataset=dict(pipeline=_base_.pipelines.s200pct.train)))
val_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s200pct.test))
test_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s200pct.test))
optim_wrapper = dict(type='AmpOptimWrapper')
load_from = 'checkpoints/maskrcnn_resnet50_fpn_v2_coco_mmdet.pth'  # made by torchvision2mmdet.py
