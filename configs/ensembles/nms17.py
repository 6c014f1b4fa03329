"""The published method: NMS over the boxes of 17 members, across classes.

Members are trained with ``tools/train.py configs/members/NAME.py``; ``tools/ensemble.py --run-missing`` tests
them. ``tools/cross_validate.py`` writes the out-of-fold predictions, for the choice of members and calibration.
"""

data_root = '{{$CELLS_ROOT:data/cells}}'
ann_file = f'{data_root}/annotations/test.json'
ids_file = f'{data_root}/test_image_name_to_ids.json'
oof_ann_file = f'{data_root}/annotations/train.json'
out_dir = 'work_dirs/ensembles/nms17'
names = [
    'm01_r50v2_a8-128_cw',
    'm02_r50v2_a16-256_1333x800',
    'm03_x50_a8-128_cp',
    'm04_r101_a8-181',
    'm05_regnetx_a8-128_scale200',
    'm06_swin-t_a8-128',
    'm07_x101_a16-256_1333x800',
    'm08_cascade_a8-128',
    'm09_r50_a8-181_frz2',
    'm10_r50v2_a8-128_scale200',
    'm11_x50_a16-256_frz2',
    'm12_r101_a8-128_cp',
    'm13_swin-t_a8-181_ema',
    'm14_cascade_a16-256_1333x800',
    'm15_regnetx_a8-181_frz2',
    'm16_x101_a8-128_cp',
    'm17_r50_a16-256_scale200',
]
members = [
    dict(
        name=name.split('_')[0],
        results=f'work_dirs/{name}',
        config=f'configs/members/{name}.py',
        oof=f'work_dirs/{name}_cv/oof-results.json',
    )
    for name in names
]
fusion = dict(type='NMSFusion', iou='box', threshold=0.5, class_wise=False)
custom_imports = dict(imports=['mmcellseg.components'], allow_failed_imports=False)
