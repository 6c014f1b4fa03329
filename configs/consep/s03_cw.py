"""Step 3: rare classes are drawn more often."""

_base_ = './s02_a8-128.py'
train_dataloader = _base_.balanced
