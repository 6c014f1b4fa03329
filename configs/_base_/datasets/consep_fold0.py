"""CoNSeP (27 labelled tiles of 1000 x 1000 px) on a fixed fold; CONSEP_ROOT moves the folder."""

_base_ = './cells_holdout.py'
data_root = '{{$CONSEP_ROOT:data/consep}}'
classes = ('other', 'inflammatory', 'epithelial', 'spindle')
metainfo = dict(classes=classes)

train_dataloader = dict(
    # An epoch is 200 crops: there are few tiles, but each holds hundreds of cells.
    sampler=dict(_delete_=True, type='WeightedRandomSampler', num_samples=200),
    dataset=dict(
        weighting='none',
        dataset=dict(data_root=data_root, ann_file='annotations/fold0_train.json', metainfo=metainfo),
    ),
)
val_dataloader = dict(dataset=dict(data_root=data_root, ann_file='annotations/fold0_val.json', metainfo=metainfo))
test_dataloader = dict(dataset=dict(data_root=data_root, metainfo=metainfo))
val_evaluator = dict(ann_file=f'{data_root}/annotations/fold0_val.json')
test_evaluator = dict(ann_file=f'{data_root}/annotations/test.json')
