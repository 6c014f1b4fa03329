"""Step 11: the model of step 8, tested at one and a half times the size."""

_base_ = './g08_mask-rcnn_r50v2_fpn_a8-128_cw_cp-crop_aug-rot-scale-stain_amp_ema_scratch_adamw-1e-3_cosine-180e_1xb8_fold0.py'
val_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s150pct.test))
test_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s150pct.test))
