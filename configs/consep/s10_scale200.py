"""Step 10: step 9 at twice the size."""

_base_ = './s09_scale150.py'
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=_base_.histology.c256_s200pct)))
val_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s200pct.test))
test_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s200pct.test))
