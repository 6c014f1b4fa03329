"""Step 2: anchors of 8 to 128 px."""

_base_ = './g01_mask-rcnn_r50v2_fpn_a32-512_amp_scratch_adamw-1e-3_cosine-60e_1xb8_fold0.py'
model = dict(rpn_head=dict(anchor_generator=_base_.anchors.a8_128))
