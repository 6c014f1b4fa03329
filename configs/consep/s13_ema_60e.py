"""Step 13: step 11 trained longer, and weights averaged."""

_base_ = './s11_roi128.py'
train_cfg = dict(max_epochs=60, val_interval=20)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=60, convert_to_iter_based=True)]
custom_hooks = [*_base_.custom_hooks, _base_.ema_hook]
