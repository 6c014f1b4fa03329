"""Step 3: rare classes are drawn more often."""

_base_ = './g02_mask-rcnn_r50v2_fpn_a8-128_amp_scratch_adamw-1e-3_cosine-60e_1xb8_fold0.py'
train_dataloader = dict(dataset=dict(weighting='log'))
