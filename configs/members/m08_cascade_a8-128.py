_base_ = [
    '../_base_/models/cascade-mask-rcnn_r50_fpn.py',
    '../_base_/datasets/cells_fold2.py',
    '../_base_/schedules/adamw-1e-4_cosine.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(sampler=dict(_delete_=True, **_base_.balanced_sampler))
optim_wrapper = dict(type='AmpOptimWrapper')
