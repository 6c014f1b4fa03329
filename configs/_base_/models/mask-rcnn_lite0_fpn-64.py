"""The Mask R-CNN for a machine without a GPU: EfficientNet-Lite0 with ImageNet weights from a Python package.

Its deeper heads have batch norm, with which they learn faster, as those of ``mask-rcnn_r50v2_fpn.py``.
"""

_base_ = ['./mask-rcnn_r18_fpn-64.py', '../parts/backbones.py']
norm_cfg = dict(type='BN', requires_grad=True)

model = dict(
    data_preprocessor=dict(mean=[127.0] * 3, std=[128.0] * 3),
    backbone=dict(_base_.backbones.lite0, _delete_=True),
    neck=dict(in_channels=[24, 40, 112, 320], norm_cfg=norm_cfg),
    rpn_head=dict(num_convs=2),
    roi_head=dict(
        bbox_head=dict(type='Shared4Conv1FCBBoxHead', conv_out_channels=_base_.width, norm_cfg=norm_cfg),
        mask_head=dict(num_convs=4, norm_cfg=norm_cfg),
    ),
    # A crop of 256 px holds a hundred cells at most, and NMS takes a tenth of a training step with twice as many.
    train_cfg=dict(rpn_proposal=dict(nms_pre=500, max_per_img=500)),
)
