"""Step 11: the model of step 8, tested at one and a half times the size."""

_base_ = './s08_mask-rcnn_r18_fpn-64_a8-128_c256_cw_cp_aug-rot-scale-stain_bf16_ema_scratch_adamw-1e-3_cosine-40e_1xb4_fold0.py'
val_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s150pct.test))
test_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s150pct.test))
