"""The cells as ``cells2coco.py --holdout`` writes them, at their own size; CELLS_ROOT moves the folder."""

_base_ = ['../parts/augmentation.py', '../parts/sampling.py']
data_root = '{{$CELLS_ROOT:data/cells}}'
classes = ('class1', 'class2', 'class3', 'class4')
# For pipelines that paste: from the images that train and from no others.
copy_paste = dict(type='RareClassCopyPaste', data_root=data_root, ann_file='annotations/train_holdout.json')

train_dataloader = dict(
    batch_size=4,
    num_workers=4,
    persistent_workers=True,
    # Shuffled, as is its default; balanced replaces its type, so that it has no options here.
    sampler=dict(type='DefaultSampler'),
    # The wrapper counts the classes; its weights matter to a sampler that draws by them only.
    dataset=dict(
        type='ClassWeightedDataset',
        weighting='log',
        dataset=dict(
            type='CellDataset',
            data_root=data_root,
            ann_file='annotations/train_holdout.json',
            data_prefix=dict(img=''),
            metainfo=dict(classes=classes),
            pipeline=_base_.pipelines.own.train,
        ),
    ),
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
        pipeline=_base_.pipelines.own.test,
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
        pipeline=_base_.pipelines.own.test,
    ),
)
val_evaluator = dict(type='CellMetric', ann_file=f'{data_root}/annotations/val_holdout.json')
# The test images have no labels: a test run ends with the predictions file.
test_evaluator = dict(type='CellMetric', ann_file=f'{data_root}/annotations/test.json', format_only=True)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
