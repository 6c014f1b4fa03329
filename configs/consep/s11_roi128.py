"""Step 11: step 8 with 128 RoIs a crop in training (64), up to half of them cells (a quarter)."""

_base_ = './s08_a11-256.py'
model = dict(train_cfg=dict(rcnn=dict(sampler=dict(num=128, pos_fraction=0.5))))
