"""Step 20: step 19 at one and a half times the size."""

_base_ = './s19_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp-crop_aug-rot-scale_bf16_ema_from-s14_adamw-5e-4_cosine-100e_1xb4_fold0.py'
train_pipeline = [*_base_.histology.c256_no_stain]
train_pipeline[4] = _base_.resizes.random150pct
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
val_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s150pct.test))
test_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s150pct.test))
