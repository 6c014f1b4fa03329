"""Pieces of the data pipelines: a pipeline is load + a crop or a Resize + one of ``augmentation`` + pack.

Cells have no up and no left: each of the three flips is as likely as none.
"""

load_train = [dict(type='LoadTiffImage'), dict(type='LoadCellAnnotations')]
load_test = [dict(type='LoadTiffImage')]
crop = dict(type='RandomCrop', crop_size=(512, 512), recompute_bbox=True, allow_negative_crop=True)
resize_coco = dict(type='Resize', scale=(1333, 800), keep_ratio=True)
pack_train = [dict(type='PackDetInputs')]
pack_test = [dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))]

flips = dict(type='RandomFlip', prob=[0.25, 0.25, 0.25], direction=['horizontal', 'vertical', 'diagonal'])
augmentation = dict(
    flip=[flips],
    hflip=[dict(type='RandomFlip', prob=0.5)],
)
