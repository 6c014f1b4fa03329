"""Step 43: step 41 for 1,300 steps, the longest that five folds could have here."""

_base_ = './s41_backbone-rate.py'
train_cfg = dict(max_epochs=26, val_interval=26)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=26, convert_to_iter_based=True)]
