"""Step 2: anchors of 8 to 128 px."""

_base_ = './s01_mask-rcnn_r18_fpn-64_a32-512_c256_bf16_scratch_adamw-1e-3_cosine-12e_1xb4_fold0.py'
model = dict(rpn_head=dict(anchor_generator=_base_.anchors.a8_128))
