"""Step 4: quarter turns."""

_base_ = './g03_mask-rcnn_r50v2_fpn_a8-128_cw_amp_scratch_adamw-1e-3_cosine-60e_1xb8_fold0.py'
train_pipeline = [*_base_.load_train, _base_.crops.c512, *_base_.rot, *_base_.pack_train]
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
