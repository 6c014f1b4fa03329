"""Step 39: step 36 with the batch norm of the backbone trained too, after the frozen stage."""

_base_ = './s36_frozen.py'
model = dict(backbone=dict(norm_eval=False))
