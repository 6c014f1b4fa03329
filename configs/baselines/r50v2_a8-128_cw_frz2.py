_base_ = './r50v2_a8-128_cw.py'
model = dict(backbone=dict(frozen_stages=2))
