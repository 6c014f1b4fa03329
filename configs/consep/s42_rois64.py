"""Step 42: step 34 with 64 RoIs a crop in training, in place of 128: more steps in the same time."""

_base_ = './s34_lite0.py'
model = dict(train_cfg=dict(rcnn=dict(sampler=dict(num=64))))
train_cfg = dict(max_epochs=25, val_interval=25)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=25, convert_to_iter_based=True)]
