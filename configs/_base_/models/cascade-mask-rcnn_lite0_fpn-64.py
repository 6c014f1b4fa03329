"""The cascade for a machine without a GPU, with the backbone and the heads of ``mask-rcnn_lite0_fpn-64.py``."""

_base_ = ['./cascade-mask-rcnn_r18_fpn-64.py', '../parts/backbones.py']
norm_cfg = dict(type='BN', requires_grad=True)
deep = dict(type='Shared4Conv1FCBBoxHead', conv_out_channels=_base_.width, norm_cfg=norm_cfg)

model = dict(
    data_preprocessor=dict(mean=[127.0] * 3, std=[128.0] * 3),
    backbone=dict(_base_.backbones.lite0, _delete_=True),
    neck=dict(in_channels=[24, 40, 112, 320], norm_cfg=norm_cfg),
    rpn_head=dict(num_convs=2),
    roi_head=dict(
        bbox_head=[dict(head, **deep) for head in _base_.model.roi_head.bbox_head],
        mask_head=dict(num_convs=4, norm_cfg=norm_cfg),
    ),
    train_cfg=dict(rpn_proposal=dict(nms_pre=500, max_per_img=500)),
)
