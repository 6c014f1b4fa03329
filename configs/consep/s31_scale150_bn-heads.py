"""Step 31: step 30 from random weights, at one and a half times the size, with a higher learning rate."""

_base_ = './s30_scale200_bn-heads.py'
load_from = None
randomness = dict(seed=0)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
train_pipeline = [*_base_.histology.c256_no_stain]
train_pipeline[4] = _base_.resizes.random150pct
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
val_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s150pct.test))
test_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s150pct.test))
