"""All labelled images train; there is no validation, so no best checkpoint either."""

_base_ = './cells_holdout.py'
copy_paste = dict(ann_file='annotations/train.json')
train_dataloader = dict(dataset=dict(dataset=dict(ann_file='annotations/train.json')))
val_dataloader = None
val_evaluator = None
val_cfg = None
