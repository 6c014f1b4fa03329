"""Step 8: longer training and averaged weights."""

_base_ = (
    './s07_mask-rcnn_r18_fpn-64_a8-128_c256_cw_cp_aug-rot-scale-stain_bf16_scratch_adamw-1e-3_cosine-12e_1xb4_fold0.py'
)
train_cfg = dict(max_epochs=40, val_interval=10)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=40, convert_to_iter_based=True)]
custom_hooks = [*_base_.custom_hooks, _base_.ema_hook]
