"""Step 3: rare classes are drawn more often."""

_base_ = './s02_mask-rcnn_r18_fpn-64_a8-128_c256_bf16_scratch_adamw-1e-3_cosine-12e_1xb4_fold0.py'
train_dataloader = dict(dataset=dict(weighting='log'))
