"""Step 52: step 35 with weights averaged over 500 steps from early on, which by default begins slowly."""

_base_ = './s35_60e.py'
# The average of ExpMomentumEMA follows the newest weights by exp(-steps / gamma), for a gamma of 2,000 by default.
custom_hooks = [*_base_.custom_hooks[:-1], dict(_base_.ema_hook, momentum=0.002, gamma=100)]
