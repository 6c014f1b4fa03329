"""r50_a8-128_cw with cells of rare classes pasted into each crop."""

_base_ = [
    '../_base_/models/mask-rcnn_r50_fpn.py',
    '../_base_/datasets/cells_holdout.py',
    '../_base_/schedules/adamw-1e-4_cosine.py',
    '../_base_/default_runtime.py',
]
train_pipeline = [*_base_.load_train, _base_.crops.c512, _base_.copy_paste, *_base_.flip, *_base_.pack_train]
train_dataloader = dict(_base_.balanced, dataset=dict(_base_.balanced.dataset, dataset=dict(pipeline=train_pipeline)))
