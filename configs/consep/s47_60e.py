"""Step 47: step 34 for three times as long: 3,000 steps."""

_base_ = './s34_lite0.py'
train_cfg = dict(max_epochs=60, val_interval=20)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=60, convert_to_iter_based=True)]
