"""Step 46: step 41 with stain and colour jitter; step 14 left them out, before there were features to start from."""

_base_ = './s41_backbone-rate.py'
train_pipeline = [*_base_.train_pipeline[:-2], *_base_.stain, *_base_.pack_train]
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
