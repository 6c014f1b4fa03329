"""Step 43: step 34 with 256 RoIs a crop in training."""

_base_ = './s34_lite0.py'
model = dict(train_cfg=dict(rcnn=dict(sampler=dict(num=256))))
