"""Step 12: batch norm in the FPN and the heads, two RPN convolutions, four in each head."""

_base_ = './s11_roi128.py'
bn = dict(type='BN', requires_grad=True)
model = dict(
    neck=dict(norm_cfg=bn),
    rpn_head=dict(num_convs=2),
    roi_head=dict(
        bbox_head=dict(type='Shared4Conv1FCBBoxHead', conv_out_channels=64, norm_cfg=bn),
        mask_head=dict(num_convs=4, norm_cfg=bn),
    ),
)
