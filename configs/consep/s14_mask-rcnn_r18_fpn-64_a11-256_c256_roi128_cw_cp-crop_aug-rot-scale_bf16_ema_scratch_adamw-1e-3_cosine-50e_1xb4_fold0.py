"""Step 14: step 13 without stain and colour jitter, and with rare cells pasted into what is cropped; 50 epochs."""

_base_ = './s13_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp_aug-rot-scale-stain_bf16_ema_scratch_adamw-1e-3_cosine-60e_1xb4_fold0.py'
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=_base_.histology.c256_no_stain)))
train_cfg = dict(max_epochs=50)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=50, convert_to_iter_based=True)]
