"""Step 9: step 8 trained and tested at one and a half times the size."""

_base_ = (
    './s08_mask-rcnn_r18_fpn-64_a11-256_c256_cw_cp_aug-rot-scale-stain_bf16_scratch_adamw-1e-3_cosine-12e_1xb4_fold0.py'
)
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=_base_.histology.c256_s150pct)))
val_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s150pct.test))
test_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s150pct.test))
