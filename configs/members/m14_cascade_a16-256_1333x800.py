"""A cascade on ResNet-50 with medium anchors, on resized images."""

_base_ = [
    '../_base_/models/cascade-mask-rcnn_r50_fpn.py',
    '../_base_/datasets/cells_fold3.py',
    '../_base_/schedules/adamw-1e-4_cosine.py',
    '../_base_/default_runtime.py',
]
model = dict(
    rpn_head=dict(anchor_generator=_base_.anchors.a16_256), test_cfg=dict(rcnn=dict(nms=dict(iou_threshold=0.4)))
)
train_dataloader = dict(
    _base_.balanced,
    batch_size=2,
    dataset=dict(_base_.balanced.dataset, dataset=dict(pipeline=_base_.pipelines.s1333x800.train)),
)
val_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s1333x800.test))
test_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s1333x800.test))
optim_wrapper = dict(type='AmpOptimWrapper')
