"""ResNeXt-50 with cells of rare classes pasted into each crop."""

_base_ = [
    '../_base_/models/mask-rcnn_x50-32x4d_fpn.py',
    '../_base_/datasets/cells_fold2.py',
    '../_base_/schedules/adamw-1e-4_cosine.py',
    '../_base_/default_runtime.py',
]
model = dict(
    train_cfg=dict(rpn_proposal=_base_.caps.rpn3k.rpn),
    test_cfg=dict(rpn=_base_.caps.rpn3k.rpn, rcnn=_base_.caps.rpn3k.rcnn),
)
train_pipeline = [*_base_.load_train, _base_.crops.c512, _base_.copy_paste, *_base_.flip, *_base_.pack_train]
train_dataloader = dict(_base_.balanced, dataset=dict(_base_.balanced.dataset, dataset=dict(pipeline=train_pipeline)))
optim_wrapper = dict(type='AmpOptimWrapper')
