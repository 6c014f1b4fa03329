"""Step 42: step 36 with two crops a step in place of four, and twice the steps: the same time, more updates."""

_base_ = './s36_frozen.py'
train_dataloader = dict(batch_size=2)
