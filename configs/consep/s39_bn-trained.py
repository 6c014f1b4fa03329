"""Step 39: step 34 with the backbone's batch norm trained."""

_base_ = './s34_lite0.py'
model = dict(backbone=dict(norm_eval=False))
