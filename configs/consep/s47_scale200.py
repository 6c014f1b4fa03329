"""Step 47: step 41 at twice the size."""

_base_ = './s41_backbone-rate.py'
train_pipeline = [*_base_.train_pipeline]
train_pipeline[4] = _base_.resizes.random200pct
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
val_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s200pct.test))
test_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s200pct.test))
