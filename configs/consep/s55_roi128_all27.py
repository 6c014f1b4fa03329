"""Step 55: step 45 with the RoIs and the length of step 51; its figures and threshold are those of step 52's folds."""

_base_ = './s45_long_all27.py'
validated_by = 's52_long_roi128_tta-shared_cv'
model = dict(train_cfg=dict(rcnn=dict(sampler=dict(num=128))))
train_cfg = dict(max_epochs=24)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=24, convert_to_iter_based=True)]
