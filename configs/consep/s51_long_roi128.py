"""Step 51: step 43 with 128 RoIs an image in place of 64, for 1,200 steps: about the same time."""

_base_ = './s43_long.py'
model = dict(train_cfg=dict(rcnn=dict(sampler=dict(num=128))))
train_cfg = dict(max_epochs=24, val_interval=24)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=24, convert_to_iter_based=True)]
