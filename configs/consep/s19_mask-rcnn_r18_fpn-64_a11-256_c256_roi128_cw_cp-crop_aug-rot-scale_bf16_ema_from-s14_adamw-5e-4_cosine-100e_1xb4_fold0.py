"""Step 19: step 14 trained on from its weights, 100 epochs more."""

_base_ = './s14_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp-crop_aug-rot-scale_bf16_ema_scratch_adamw-1e-3_cosine-50e_1xb4_fold0.py'
load_from = 'work_dirs/consep/s14_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp-crop_aug-rot-scale_bf16_ema_scratch_adamw-1e-3_cosine-50e_1xb4_fold0/epoch_50.pth'
optim_wrapper = dict(optimizer=dict(lr=5e-4))
train_cfg = dict(max_epochs=100)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=100, convert_to_iter_based=True)]
