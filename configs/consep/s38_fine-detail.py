"""Step 38: step 34 with the backbone's channels at stride 2 beside those at stride 4."""

_base_ = './s34_lite0.py'
model = dict(
    backbone=dict(out_indices=(1, 2, 3, 4, 5), fine_detail=True),
    neck=dict(in_channels=[88, 40, 112, 320]),
)
