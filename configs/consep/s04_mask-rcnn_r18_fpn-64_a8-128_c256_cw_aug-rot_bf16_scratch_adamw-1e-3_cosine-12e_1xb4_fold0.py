"""Step 4: quarter turns."""

_base_ = './s03_mask-rcnn_r18_fpn-64_a8-128_c256_cw_bf16_scratch_adamw-1e-3_cosine-12e_1xb4_fold0.py'
train_pipeline = [*_base_.load_train, _base_.crops.c256, *_base_.rot, *_base_.pack_train]
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
