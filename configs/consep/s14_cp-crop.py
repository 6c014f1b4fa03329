"""Step 14: step 13 without stain and colour jitter, and with rare cells pasted into what is cropped; 50 epochs."""

_base_ = './s13_ema_60e.py'
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=_base_.histology.c256_no_stain)))
train_cfg = dict(max_epochs=50)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=50, convert_to_iter_based=True)]
