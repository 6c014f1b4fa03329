"""Step 25: step 24 at twice the size."""

_base_ = './s24_from-s20.py'
train_pipeline = [*_base_.histology.c256_no_stain]
train_pipeline[4] = _base_.resizes.random200pct
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
val_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s200pct.test))
test_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s200pct.test))
