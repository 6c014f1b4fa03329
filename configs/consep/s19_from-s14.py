"""Step 19: 100 epochs more from the weights of step 14."""

_base_ = './s14_cp-crop.py'
load_from = 'work_dirs/consep/s14_cp-crop/epoch_50.pth'
optim_wrapper = dict(optimizer=dict(lr=5e-4))
train_cfg = dict(max_epochs=100)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=100, convert_to_iter_based=True)]
