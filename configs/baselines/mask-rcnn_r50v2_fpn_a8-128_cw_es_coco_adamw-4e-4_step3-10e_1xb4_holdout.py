_base_ = './mask-rcnn_r50v2_fpn_a8-128_cw_coco_adamw-4e-4_step3-10e_1xb4_holdout.py'
custom_hooks = [*_base_.custom_hooks, _base_.early_stopping_hook]
