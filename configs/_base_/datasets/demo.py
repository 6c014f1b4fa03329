"""The synthetic cells of the quickstart, in crops that a CPU can train; DEMO_ROOT moves the folder."""

_base_ = './cells_holdout.py'
data_root = '{{$DEMO_ROOT:data/demo}}'
train_pipeline = [*_base_.load_train, _base_.crops.c128, *_base_.flip, *_base_.pack_train]
copy_paste = dict(data_root=data_root)

train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    # An epoch is 160 crops, however few images there are.
    sampler=dict(type='WeightedRandomSampler', num_samples=160),
    dataset=dict(weighting='none', dataset=dict(data_root=data_root, pipeline=train_pipeline)),
)
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(data_root=data_root))
test_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(data_root=data_root))
val_evaluator = dict(ann_file=f'{data_root}/annotations/val_holdout.json')
test_evaluator = dict(ann_file=f'{data_root}/annotations/test.json')
