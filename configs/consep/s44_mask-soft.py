"""Step 44: step 34 with the share of each mask pixel that is cell as its target, in place of yes or no."""

_base_ = './s34_lite0.py'
model = dict(train_cfg=dict(rcnn=dict(soft_mask_target=True)))
