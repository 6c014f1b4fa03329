_base_ = [
    '../_base_/models/mask-rcnn_r50_fpn.py',
    '../_base_/datasets/cells_holdout.py',
    '../_base_/schedules/adamw-1e-4_cosine.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(sampler=dict(_delete_=True, **_base_.balanced_sampler))
