"""Step 7: cells of rare classes are pasted in."""

_base_ = (
    './s06_mask-rcnn_r18_fpn-64_a8-128_c256_cw_aug-rot-scale-stain_bf16_scratch_adamw-1e-3_cosine-12e_1xb4_fold0.py'
)
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=_base_.histology.c256)))
