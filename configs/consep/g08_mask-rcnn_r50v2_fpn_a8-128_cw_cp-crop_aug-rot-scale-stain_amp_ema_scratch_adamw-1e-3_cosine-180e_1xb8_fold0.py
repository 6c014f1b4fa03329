"""Step 8: longer training and averaged weights."""

_base_ = (
    './g07_mask-rcnn_r50v2_fpn_a8-128_cw_cp-crop_aug-rot-scale-stain_amp_scratch_adamw-1e-3_cosine-60e_1xb8_fold0.py'
)
train_cfg = dict(max_epochs=180)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=180, convert_to_iter_based=True)]
custom_hooks = [*_base_.custom_hooks, _base_.ema_hook]
