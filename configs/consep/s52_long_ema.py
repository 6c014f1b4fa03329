"""Step 52: step 50 with weights averaged over 500 steps from the start: stock's average hardly begins in 4,000."""

_base_ = './s50_long.py'
custom_hooks = [*_base_.custom_hooks[:-1], dict(_base_.ema_hook, momentum=0.002, gamma=100)]
