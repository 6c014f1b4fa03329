"""Step 11: the model of step 8, tested at one and a half times the size."""

_base_ = './g08_ema_180e.py'
weights = 'g08'
val_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s150pct.test))
test_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s150pct.test))
