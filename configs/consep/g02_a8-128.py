"""Step 2: anchors of 8 to 128 px."""

_base_ = './g01_a32-512.py'
model = dict(rpn_head=dict(anchor_generator=_base_.anchors.a8_128))
