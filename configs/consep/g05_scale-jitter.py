"""Step 5: random scale."""

_base_ = './g04_rot.py'
train_pipeline = [*_base_.load_train, _base_.resizes.random, _base_.crops.c512, *_base_.rot, *_base_.pack_train]
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
