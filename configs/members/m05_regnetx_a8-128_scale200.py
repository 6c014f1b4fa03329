"""RegNetX at twice the size of the images."""

_base_ = [
    '../_base_/models/mask-rcnn_regnetx-3.2GF_fpn.py',
    '../_base_/datasets/cells_fold4.py',
    '../_base_/schedules/adamw-1e-4_cosine.py',
    '../_base_/default_runtime.py',
]
model = dict(
    train_cfg=dict(rpn_proposal=_base_.caps.rpn3k.rpn),
    test_cfg=dict(rpn=_base_.caps.rpn3k.rpn, rcnn=_base_.caps.rpn3k.rcnn),
)
train_dataloader = dict(
    _base_.balanced,
    dataset=dict(_base_.balanced.dataset, dataset=dict(pipeline=_base_.pipelines.s200pct.train)),
)
val_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s200pct.test))
test_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s200pct.test))
optim_wrapper = dict(type='AmpOptimWrapper')
