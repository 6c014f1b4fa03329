"""Swin-T with a strict NMS."""

_base_ = [
    '../_base_/models/mask-rcnn_swin-t_fpn.py',
    '../_base_/datasets/cells_fold0.py',
    '../_base_/schedules/adamw-1e-4_cosine.py',
    '../_base_/default_runtime.py',
]
model = dict(test_cfg=dict(rcnn=dict(nms=dict(iou_threshold=0.4))))
train_dataloader = dict(_base_.balanced, batch_size=2)
optim_wrapper = dict(type='AmpOptimWrapper')
