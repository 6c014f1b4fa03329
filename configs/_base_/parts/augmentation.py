"""Pieces of the data pipelines: load, resize or crop, augment, pack.

Sizes are pixels of the network's input. Copy-paste comes before a change of size, colour after the crop, where there
are fewer pixels.
"""

load_train = [dict(type='LoadTiffImage'), dict(type='LoadCellAnnotations')]
load_test = [dict(type='LoadTiffImage')]
# A crop may leave a cell's box but none of its pixels, and a box without a width has no regression target.
pack_train = [
    dict(type='FilterAnnotations', min_gt_bbox_wh=(1, 1), keep_empty=False),
    dict(type='PackDetInputs'),
]
pack_test = [dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))]

# For a leaf's tta_pipeline: dict(type='TestTimeAug', transforms=[views.mirrored, views.pack]) has four views.
views = dict(
    mirrored=[
        dict(type='RandomFlip', prob=0.0),
        dict(type='RandomFlip', prob=1.0, direction='horizontal'),
        dict(type='RandomFlip', prob=1.0, direction='vertical'),
        dict(type='RandomFlip', prob=1.0, direction='diagonal'),
    ],
    # After the mirrored: all eight symmetries.
    transposed=[dict(type='RandomApply', prob=p, transforms=[dict(type='SwapAxes')]) for p in (0.0, 1.0)],
    pack=[dict(pack_test[0], meta_keys=(*pack_test[0]['meta_keys'], 'flip_direction', 'transposed'))],
)

crops = dict(
    c128=dict(type='RandomCrop', crop_size=(128, 128), recompute_bbox=True, allow_negative_crop=True),
    c256=dict(type='RandomCrop', crop_size=(256, 256), recompute_bbox=True, allow_negative_crop=True),
    c512=dict(type='RandomCrop', crop_size=(512, 512), recompute_bbox=True, allow_negative_crop=True),
    # What crops of 256 and 512 px come from at the smallest factor of resizes.random: the rest is left out early.
    c320=dict(type='RandomCrop', crop_size=(320, 320), recompute_bbox=True, allow_negative_crop=True),
    c640=dict(type='RandomCrop', crop_size=(640, 640), recompute_bbox=True, allow_negative_crop=True),
)
resizes = dict(
    # torchvision's sides: the shorter becomes 800 px, the longer at most 1333 px.
    s1333x800=dict(type='Resize', scale=(1333, 800), keep_ratio=True),
    s150pct=dict(type='Resize', scale_factor=1.5),
    s200pct=dict(type='Resize', scale_factor=2.0),
    random=dict(
        type='RandomChoice',
        transforms=[[dict(type='Resize', scale_factor=factor)] for factor in (0.8, 1.0, 1.25)],
    ),
    # The same range around one and a half times, and twice the size.
    random150pct=dict(
        type='RandomChoice',
        transforms=[[dict(type='Resize', scale_factor=factor)] for factor in (1.2, 1.5, 1.875)],
    ),
    random200pct=dict(
        type='RandomChoice',
        transforms=[[dict(type='Resize', scale_factor=factor)] for factor in (1.6, 2.0, 2.5)],
    ),
)

# Cells have no up and no left: each of the three flips is as likely as none.
flip = [dict(type='RandomFlip', prob=[0.25, 0.25, 0.25], direction=['horizontal', 'vertical', 'diagonal'])]
# A mirror image or not, and a quarter turn: the eight symmetries, each as likely as the others.
rot = [dict(type='RandomFlip', prob=0.5), dict(type='RandomRotate90')]
stain = [
    dict(type='StainJitter', strength=0.2, prob=0.5),
    dict(
        type='PhotoMetricDistortion',
        brightness_delta=16,
        contrast_range=(0.85, 1.15),
        saturation_range=(0.85, 1.15),
        hue_delta=5,
    ),
]

pipelines = dict(
    own=dict(train=[*load_train, crops['c512'], *flip, *pack_train], test=[*load_test, *pack_test]),
    s1333x800=dict(
        train=[*load_train, resizes['s1333x800'], *flip, *pack_train],
        test=[*load_test, resizes['s1333x800'], *pack_test],
    ),
    s150pct=dict(test=[*load_test, resizes['s150pct'], *pack_test]),
    s200pct=dict(
        train=[*load_train, resizes['s200pct'], crops['c512'], *flip, *pack_train],
        test=[*load_test, resizes['s200pct'], *pack_test],
    ),
)
