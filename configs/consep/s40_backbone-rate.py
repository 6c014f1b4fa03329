"""Step 40: step 34 with the heads' learning rate for the backbone too."""

_base_ = './s34_lite0.py'
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=1.0))))
