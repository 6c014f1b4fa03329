"""Step 9: step 8 trained and tested at one and a half times the size."""

_base_ = './s08_a11-256.py'
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=_base_.histology.c256_s150pct)))
val_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s150pct.test))
test_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s150pct.test))
