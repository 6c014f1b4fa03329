_base_ = './mask-rcnn_r50v2_fpn_a8-128_cw_coco_adamw-4e-4_step3-10e_1xb4_holdout.py'
model = dict(backbone=dict(frozen_stages=2))
