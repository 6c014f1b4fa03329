"""Step 24: 100 epochs more from the weights of step 20, on other crops."""

_base_ = './s20_scale150.py'
load_from = 'work_dirs/consep/s20_scale150/epoch_100.pth'
# The seed of step 20 would draw the crops that it has seen.
randomness = dict(seed=1)
