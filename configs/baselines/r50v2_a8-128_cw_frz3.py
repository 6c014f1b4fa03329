"""r50v2_a8-128_cw with the first three stages of the backbone frozen."""

_base_ = './r50v2_a8-128_cw.py'
model = dict(backbone=dict(frozen_stages=3))
