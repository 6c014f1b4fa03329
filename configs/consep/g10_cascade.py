"""Step 10: a cascade of heads in place of those of step 8."""

_base_ = [
    '../_base_/models/cascade-mask-rcnn_r50_fpn.py',
    '../_base_/datasets/consep_fold0.py',
    '../_base_/schedules/adamw-1e-3_cosine.py',
    '../_base_/default_runtime.py',
]
model = dict(backbone=dict(init_cfg=None, frozen_stages=-1, norm_eval=False))
train_dataloader = dict(
    _base_.balanced, batch_size=8, dataset=dict(_base_.balanced.dataset, dataset=dict(pipeline=_base_.histology.c512))
)
optim_wrapper = dict(type='AmpOptimWrapper')
train_cfg = dict(max_epochs=180)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=180, convert_to_iter_based=True)]
custom_hooks = [*_base_.custom_hooks, _base_.ema_hook]
