"""Step 10: step 8 at twice the size."""

_base_ = './s09_mask-rcnn_r18_fpn-64_a11-256_c256_s150pct_cw_cp_aug-rot-scale-stain_bf16_scratch_adamw-1e-3_cosine-12e_1xb4_fold0.py'
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=_base_.histology.c256_s200pct)))
val_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s200pct.test))
test_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s200pct.test))
