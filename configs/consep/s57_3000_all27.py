"""Step 57: step 45 for 3,000 steps; figures and threshold stay those of step 44's folds, which trained for 1,300."""

_base_ = './s45_long_all27.py'
train_cfg = dict(max_epochs=60)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=60, convert_to_iter_based=True)]
