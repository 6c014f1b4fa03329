"""The cells as ``cells2coco.py --holdout`` writes them, at their own size; CELLS_ROOT moves the folder."""

_base_ = ['../parts/augmentation.py', '../parts/sampling.py']
data_root = '{{$CELLS_ROOT:data/cells}}'
classes = ('class1', 'class2', 'class3', 'class4')

train_pipeline = [*_base_.load_train, _base_.crop, *_base_.augmentation.flip, *_base_.pack_train]
test_pipeline = [*_base_.load_test, *_base_.pack_test]

train_dataset = dict(
    type='CellDataset',
    data_root=data_root,
    ann_file='annotations/train_holdout.json',
    data_prefix=dict(img=''),
    metainfo=dict(classes=classes),
    pipeline=train_pipeline,
)
train_dataloader = dict(
    batch_size=4,
    num_workers=4,
    persistent_workers=True,
    sampler=_base_.plain_sampler,
    dataset=train_dataset,
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CellDataset',
        data_root=data_root,
        ann_file='annotations/val_holdout.json',
        data_prefix=dict(img=''),
        metainfo=dict(classes=classes),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CellDataset',
        data_root=data_root,
        ann_file='annotations/test.json',
        data_prefix=dict(img=''),
        metainfo=dict(classes=classes),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
val_evaluator = dict(type='CellMetric', ann_file=f'{data_root}/annotations/val_holdout.json')
# The test images have no labels: the run ends with the predictions file.
test_evaluator = dict(type='CellMetric', ann_file=f'{data_root}/annotations/test.json', format_only=True)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
