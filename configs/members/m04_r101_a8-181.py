"""ResNet-101 with two anchor sizes a level and a lenient NMS."""

_base_ = [
    '../_base_/models/mask-rcnn_r101_fpn.py',
    '../_base_/datasets/cells_fold3.py',
    '../_base_/schedules/adamw-1e-4_cosine.py',
    '../_base_/default_runtime.py',
]
model = dict(
    rpn_head=dict(anchor_generator=_base_.anchors.a8_181), test_cfg=dict(rcnn=dict(nms=dict(iou_threshold=0.6)))
)
train_dataloader = dict(batch_size=2)
optim_wrapper = dict(type='AmpOptimWrapper')
