"""r50v2_a8-128_cw, stopped when AP50 has not risen for five epochs."""

_base_ = './r50v2_a8-128_cw.py'
custom_hooks = [*_base_.custom_hooks, _base_.early_stopping_hook]
