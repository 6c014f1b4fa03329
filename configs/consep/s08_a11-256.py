"""Step 8: two anchor sizes a level, from 11 px, in place of one."""

_base_ = './s07_cp.py'
model = dict(rpn_head=dict(anchor_generator=_base_.anchors.a11_256))
