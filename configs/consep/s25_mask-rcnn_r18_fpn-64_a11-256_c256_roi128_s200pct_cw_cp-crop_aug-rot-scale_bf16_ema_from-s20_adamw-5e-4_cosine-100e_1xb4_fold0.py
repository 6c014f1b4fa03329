"""Step 25: step 24 at twice the size."""

_base_ = './s24_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_s150pct_cw_cp-crop_aug-rot-scale_bf16_ema_from-s20_adamw-5e-4_cosine-100e_1xb4_fold0.py'
train_pipeline = [*_base_.histology.c256_no_stain]
train_pipeline[4] = _base_.resizes.random200pct
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
val_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s200pct.test))
test_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s200pct.test))
