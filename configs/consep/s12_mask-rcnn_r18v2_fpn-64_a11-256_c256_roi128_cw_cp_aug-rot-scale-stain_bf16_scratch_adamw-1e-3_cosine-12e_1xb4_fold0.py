"""Step 12: batch norm in the FPN and the heads, two RPN convolutions, four in each head."""

_base_ = './s11_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp_aug-rot-scale-stain_bf16_scratch_adamw-1e-3_cosine-12e_1xb4_fold0.py'
bn = dict(type='BN', requires_grad=True)
model = dict(
    neck=dict(norm_cfg=bn),
    rpn_head=dict(num_convs=2),
    roi_head=dict(
        bbox_head=dict(type='Shared4Conv1FCBBoxHead', conv_out_channels=64, norm_cfg=bn),
        mask_head=dict(num_convs=4, norm_cfg=bn),
    ),
)
