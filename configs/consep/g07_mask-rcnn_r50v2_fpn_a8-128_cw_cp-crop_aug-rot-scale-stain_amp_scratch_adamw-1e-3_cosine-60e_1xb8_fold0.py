"""Step 7: cells of rare classes are pasted in."""

_base_ = './g06_mask-rcnn_r50v2_fpn_a8-128_cw_aug-rot-scale-stain_amp_scratch_adamw-1e-3_cosine-60e_1xb8_fold0.py'
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=_base_.histology.c512)))
