"""Step 8: longer training and averaged weights."""

_base_ = './g07_cp-crop.py'
train_cfg = dict(max_epochs=180)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=180, convert_to_iter_based=True)]
custom_hooks = [*_base_.custom_hooks, _base_.ema_hook]
