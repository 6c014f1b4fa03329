_base_ = './mask-rcnn_x50-32x4d_fpn.py'
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='open-mmlab://resnext101_32x4d')))
