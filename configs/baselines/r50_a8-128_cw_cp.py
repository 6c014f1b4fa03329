_base_ = [
    '../_base_/models/mask-rcnn_r50_fpn.py',
    '../_base_/datasets/cells_holdout.py',
    '../_base_/schedules/adamw-1e-4_cosine.py',
    '../_base_/default_runtime.py',
]
train_pipeline = [*_base_.load_train, _base_.crops.c512, _base_.copy_paste, *_base_.flip, *_base_.pack_train]
train_dataloader = dict(
    sampler=dict(_delete_=True, **_base_.balanced_sampler), dataset=dict(dataset=dict(pipeline=train_pipeline))
)
