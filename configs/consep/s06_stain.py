"""Step 6: stain and colour jitter."""

_base_ = './s05_scale-jitter.py'
train_pipeline = [
    *_base_.load_train,
    _base_.resizes.random,
    _base_.crops.c256,
    *_base_.rot,
    *_base_.stain,
    *_base_.pack_train,
]
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
