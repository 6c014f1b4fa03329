"""Step 14: step 12 trained longer, and weights averaged."""

_base_ = './s12_mask-rcnn_r18v2_fpn-64_a11-256_c256_roi128_cw_cp_aug-rot-scale-stain_bf16_scratch_adamw-1e-3_cosine-12e_1xb4_fold0.py'
train_cfg = dict(max_epochs=36, val_interval=18)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=36, convert_to_iter_based=True)]
custom_hooks = [*_base_.custom_hooks, _base_.ema_hook]
