"""The small Mask R-CNN with the heads of R50-v2: batch norm in FPN and heads, more convolutions."""

_base_ = './mask-rcnn_r18_fpn-64.py'
norm_cfg = dict(type='BN', requires_grad=True)

model = dict(
    neck=dict(norm_cfg=norm_cfg),
    rpn_head=dict(num_convs=2),
    roi_head=dict(
        bbox_head=dict(type='Shared4Conv1FCBBoxHead', conv_out_channels=64, norm_cfg=norm_cfg),
        mask_head=dict(num_convs=4, norm_cfg=norm_cfg),
    ),
)
