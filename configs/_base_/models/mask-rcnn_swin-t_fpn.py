# MMDetection ships this model only as leaves with schedules, so it is written out.
_base_ = ['./mask-rcnn_r50_fpn.py', '../parts/backbones.py']
model = dict(backbone=dict(_base_.backbones.swin_t, _delete_=True), neck=dict(in_channels=[96, 192, 384, 768]))
