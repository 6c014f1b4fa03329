"""Step 20: step 19 at one and a half times the size."""

_base_ = './s19_from-s14.py'
train_pipeline = [*_base_.histology.c256_no_stain]
train_pipeline[4] = _base_.resizes.random150pct
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
val_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s150pct.test))
test_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s150pct.test))
