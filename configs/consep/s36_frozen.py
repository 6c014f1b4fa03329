"""Step 36: step 34 with the stem and the first stage of the backbone frozen: a step takes a tenth less time."""

_base_ = './s34_lite0.py'
model = dict(backbone=dict(frozen_stages=2))
