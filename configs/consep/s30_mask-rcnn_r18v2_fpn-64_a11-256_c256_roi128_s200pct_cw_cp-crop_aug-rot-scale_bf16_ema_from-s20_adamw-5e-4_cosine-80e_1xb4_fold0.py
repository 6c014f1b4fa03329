"""Step 30: step 25 with the heads of step 12, which begin anew; what else fits goes on from step 20. 80 epochs."""

_base_ = './s25_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_s200pct_cw_cp-crop_aug-rot-scale_bf16_ema_from-s20_adamw-5e-4_cosine-100e_1xb4_fold0.py'
bn = dict(type='BN', requires_grad=True)
bbox_head = dict(type='Shared4Conv1FCBBoxHead', conv_out_channels=64, norm_cfg=bn)
roi_head = dict(bbox_head=bbox_head, mask_head=dict(num_convs=4, norm_cfg=bn))
model = dict(neck=dict(norm_cfg=bn), rpn_head=dict(num_convs=2), roi_head=roi_head)
train_cfg = dict(max_epochs=80)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=80, convert_to_iter_based=True)]
