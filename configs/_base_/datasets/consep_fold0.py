"""CoNSeP (27 labelled tiles of 1000 x 1000 px) on a fixed fold; CONSEP_ROOT moves the folder."""

_base_ = './cells_holdout.py'
data_root = '{{$CONSEP_ROOT:data/consep}}'
classes = ('other', 'inflammatory', 'epithelial', 'spindle')
metainfo = dict(classes=classes)
pixel_size = 0.25  # µm/px of a 40x objective; tools/predict.py resamples slides to it
copy_paste = dict(data_root=data_root, ann_file='annotations/fold0_train.json')
# Everything that the ladder of steps has come to by its seventh, by the size of the crops.
histology = dict(
    c256=[
        *_base_.load_train,
        dict(_base_.copy_paste, **copy_paste),
        _base_.resizes.random,
        _base_.crops.c256,
        *_base_.rot,
        *_base_.stain,
        *_base_.pack_train,
    ],
    # Cells are pasted where the crop will be; in the whole image most of them are cropped away again.
    c256_no_stain=[
        *_base_.load_train,
        _base_.crops.c320,
        dict(_base_.copy_paste, **copy_paste),
        _base_.resizes.random,
        _base_.crops.c256,
        *_base_.rot,
        *_base_.pack_train,
    ],
    c256_s150pct=[
        *_base_.load_train,
        dict(_base_.copy_paste, **copy_paste),
        _base_.resizes.random150pct,
        _base_.crops.c256,
        *_base_.rot,
        *_base_.stain,
        *_base_.pack_train,
    ],
    c256_s200pct=[
        *_base_.load_train,
        dict(_base_.copy_paste, **copy_paste),
        _base_.resizes.random200pct,
        _base_.crops.c256,
        *_base_.rot,
        *_base_.stain,
        *_base_.pack_train,
    ],
    c512=[
        *_base_.load_train,
        _base_.crops.c640,
        dict(_base_.copy_paste, **copy_paste),
        _base_.resizes.random,
        _base_.crops.c512,
        *_base_.rot,
        *_base_.stain,
        *_base_.pack_train,
    ],
)

train_dataloader = dict(
    # An epoch is 200 crops: there are few tiles, but each holds hundreds of cells.
    sampler=dict(type='WeightedRandomSampler', num_samples=200),
    dataset=dict(
        weighting='none',
        dataset=dict(data_root=data_root, ann_file='annotations/fold0_train.json', metainfo=metainfo),
    ),
)
val_dataloader = dict(dataset=dict(data_root=data_root, ann_file='annotations/fold0_val.json', metainfo=metainfo))
test_dataloader = dict(dataset=dict(data_root=data_root, metainfo=metainfo))
val_evaluator = dict(ann_file=f'{data_root}/annotations/fold0_val.json')
test_evaluator = dict(ann_file=f'{data_root}/annotations/test.json')
