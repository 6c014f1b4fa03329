"""Step 36: step 34 with the first stage of the backbone frozen, for 600 steps: short enough to train on five folds."""

_base_ = './s34_lite0.py'
model = dict(backbone=dict(frozen_stages=2))
train_cfg = dict(max_epochs=12, val_interval=12)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=12, convert_to_iter_based=True)]
