_base_ = './mask-rcnn_r50_fpn.py'
model = dict(
    backbone=dict(
        type='ResNeXt',
        groups=32,
        base_width=4,
        init_cfg=dict(checkpoint='https://download.pytorch.org/models/resnext50_32x4d-7cdf4587.pth'),
    )
)
