"""Step 31: step 30 from random weights, at one and a half times the size, with a higher learning rate."""

_base_ = './s30_mask-rcnn_r18v2_fpn-64_a11-256_c256_roi128_s200pct_cw_cp-crop_aug-rot-scale_bf16_ema_from-s20_adamw-5e-4_cosine-80e_1xb4_fold0.py'
load_from = None
randomness = dict(seed=0)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
train_pipeline = [*_base_.histology.c256_no_stain]
train_pipeline[4] = _base_.resizes.random150pct
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
val_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s150pct.test))
test_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s150pct.test))
