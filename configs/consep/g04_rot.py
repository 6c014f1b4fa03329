"""Step 4: quarter turns."""

_base_ = './g03_cw.py'
train_pipeline = [*_base_.load_train, _base_.crops.c512, *_base_.rot, *_base_.pack_train]
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
