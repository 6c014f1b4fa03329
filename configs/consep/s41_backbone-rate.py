"""Step 41: step 36 with the backbone at the learning rate of the rest, in place of three tenths of it."""

_base_ = './s36_frozen.py'
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=1.0))))
