"""Step 51: step 35 with stain and colour jitter."""

_base_ = './s35_60e.py'
pipeline = _base_.train_pipeline
train_pipeline = [*pipeline[:-2], *_base_.stain, *pipeline[-2:]]
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
