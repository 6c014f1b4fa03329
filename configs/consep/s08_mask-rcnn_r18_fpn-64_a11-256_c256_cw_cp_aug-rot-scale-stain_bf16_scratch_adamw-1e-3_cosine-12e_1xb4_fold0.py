"""Step 8: two anchor sizes an octave, from 11 px, in place of one."""

_base_ = (
    './s07_mask-rcnn_r18_fpn-64_a8-128_c256_cw_cp_aug-rot-scale-stain_bf16_scratch_adamw-1e-3_cosine-12e_1xb4_fold0.py'
)
model = dict(rpn_head=dict(anchor_generator=_base_.anchors.a11_256))
