"""Step 9: heads with batch norm in place of those of step 8."""

_base_ = './s08_mask-rcnn_r18_fpn-64_a8-128_c256_cw_cp_aug-rot-scale-stain_bf16_ema_scratch_adamw-1e-3_cosine-40e_1xb4_fold0.py'
bn = dict(type='BN', requires_grad=True)
model = dict(
    neck=dict(norm_cfg=bn),
    rpn_head=dict(num_convs=2),
    roi_head=dict(
        bbox_head=dict(type='Shared4Conv1FCBBoxHead', conv_out_channels=64, norm_cfg=bn),
        mask_head=dict(num_convs=4, norm_cfg=bn),
    ),
)
