"""ResNeXt-101 with medium anchors on resized images."""

_base_ = [
    '../_base_/models/mask-rcnn_x101-32x4d_fpn.py',
    '../_base_/datasets/cells_fold1.py',
    '../_base_/schedules/adamw-1e-4_cosine.py',
    '../_base_/default_runtime.py',
]
model = dict(
    rpn_head=dict(anchor_generator=_base_.anchors.a16_256),
    train_cfg=dict(rpn_proposal=_base_.caps.rpn2k.rpn),
    test_cfg=dict(rpn=_base_.caps.rpn2k.rpn, rcnn=_base_.caps.rpn2k.rcnn),
)
train_dataloader = dict(batch_size=2, dataset=dict(dataset=dict(pipeline=_base_.pipelines.s1333x800.train)))
val_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s1333x800.test))
test_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s1333x800.test))
optim_wrapper = dict(type='AmpOptimWrapper')
