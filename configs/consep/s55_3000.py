"""Step 55: step 43 for 3,000 steps."""

_base_ = './s43_long.py'
train_cfg = dict(max_epochs=60, val_interval=60)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=60, convert_to_iter_based=True)]
