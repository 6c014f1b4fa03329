"""Step 48: step 41 with 128 RoIs an image in place of 64."""

_base_ = './s41_backbone-rate.py'
model = dict(train_cfg=dict(rcnn=dict(sampler=dict(num=128))))
