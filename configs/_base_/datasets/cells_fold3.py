_base_ = './cells_holdout.py'
copy_paste = dict(ann_file='annotations/fold3_train.json')
train_dataloader = dict(dataset=dict(dataset=dict(ann_file='annotations/fold3_train.json')))
val_dataloader = dict(dataset=dict(ann_file='annotations/fold3_val.json'))
val_evaluator = dict(ann_file=f'{_base_.data_root}/annotations/fold3_val.json')
