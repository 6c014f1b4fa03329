"""Step 50: step 34 for 4,000 steps."""

_base_ = './s34_lite0.py'
train_cfg = dict(max_epochs=80, val_interval=20)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=80, convert_to_iter_based=True)]
