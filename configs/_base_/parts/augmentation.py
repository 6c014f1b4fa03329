"""Pieces of the data pipelines, and the pipelines made of them by the size of the network's input.

Cells have no up and no left: each of the three flips is as likely as none.
"""

load_train = [dict(type='LoadTiffImage'), dict(type='LoadCellAnnotations')]
load_test = [dict(type='LoadTiffImage')]
pack_train = [dict(type='PackDetInputs')]
pack_test = [dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))]

crop = dict(type='RandomCrop', crop_size=(512, 512), recompute_bbox=True, allow_negative_crop=True)
# torchvision's sides: the shorter becomes 800 px, the longer at most 1333 px.
resize_1333x800 = dict(type='Resize', scale=(1333, 800), keep_ratio=True)
resize_2x = dict(type='Resize', scale_factor=2.0)

augmentation = dict(
    flip=[dict(type='RandomFlip', prob=[0.25, 0.25, 0.25], direction=['horizontal', 'vertical', 'diagonal'])],
    hflip=[dict(type='RandomFlip', prob=0.5)],
)

pipelines = dict(
    # The image's own size, in crops to train.
    own=dict(
        train=[*load_train, crop, *augmentation['flip'], *pack_train],
        test=[*load_test, *pack_test],
    ),
    s1333x800=dict(
        train=[*load_train, resize_1333x800, *augmentation['hflip'], *pack_train],
        test=[*load_test, resize_1333x800, *pack_test],
    ),
    s2x=dict(
        train=[*load_train, resize_2x, crop, *augmentation['flip'], *pack_train],
        test=[*load_test, resize_2x, *pack_test],
    ),
)
