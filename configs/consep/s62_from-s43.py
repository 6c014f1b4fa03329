"""Step 62: 1,100 steps more from the weights of step 43, on other crops, from seven tenths of its learning rate."""

_base_ = './s43_long.py'
load_from = 'work_dirs/consep/s43_long/epoch_26.pth'
randomness = dict(seed=1)
optim_wrapper = dict(optimizer=dict(lr=7e-4))
train_cfg = dict(max_epochs=22, val_interval=22)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=22, convert_to_iter_based=True)]
