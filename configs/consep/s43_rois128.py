"""Step 43: step 34 with 128 RoIs a crop in training, in place of 64."""

_base_ = './s34_lite0.py'
model = dict(train_cfg=dict(rcnn=dict(sampler=dict(num=128))))
