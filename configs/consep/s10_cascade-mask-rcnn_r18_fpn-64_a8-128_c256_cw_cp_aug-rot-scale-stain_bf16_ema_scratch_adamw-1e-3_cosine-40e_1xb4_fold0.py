"""Step 10: a cascade of heads in place of those of step 8."""

_base_ = [
    '../_base_/models/cascade-mask-rcnn_r18_fpn-64.py',
    '../_base_/datasets/consep_fold0.py',
    '../_base_/schedules/adamw-1e-3_cosine.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(num_workers=1, dataset=dict(weighting='log', dataset=dict(pipeline=_base_.histology.c256)))
train_cfg = dict(max_epochs=40, val_interval=10)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=40, convert_to_iter_based=True)]
custom_hooks = [*_base_.custom_hooks, _base_.bfloat16_hook, _base_.ema_hook]
