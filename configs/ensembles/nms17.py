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
    'm01_mask-rcnn_r50v2_fpn_a8-128_cw_coco_adamw-4e-4_step3-10e_1xb4_fold0',
    'm02_mask-rcnn_r50v2_fpn_a16-256_nms40_s1333x800_frz2_amp_coco_adamw-1e-4_cosine-20e_1xb4_fold1',
    'm03_mask-rcnn_x50-32x4d_fpn_a8-128_rpn3k_cw_cp-crop_amp_adamw-1e-4_cosine-20e_1xb4_fold2',
    'm04_mask-rcnn_r101_fpn_a8-181_nms60_amp_adamw-1e-4_cosine-20e_1xb2_fold3',
    'm05_mask-rcnn_regnetx-3.2GF_fpn_a8-128_rpn3k_s200pct_cw_amp_adamw-1e-4_cosine-20e_1xb4_fold4',
    'm06_mask-rcnn_swin-t_fpn_a8-128_nms40_cw_amp_adamw-1e-4_cosine-20e_1xb2_fold0',
    'm07_mask-rcnn_x101-32x4d_fpn_a16-256_rpn2k_s1333x800_amp_adamw-1e-4_cosine-20e_1xb2_fold1',
    'm08_cascade-mask-rcnn_r50_fpn_a8-128_cw_amp_adamw-1e-4_cosine-20e_1xb4_fold2',
    'm09_mask-rcnn_r50_fpn_a8-181_rpn2k_cw_frz2_adamw-4e-4_step3-10e_1xb8_fold3',
    'm10_mask-rcnn_r50v2_fpn_a8-128_nms60_s200pct_amp_coco_adamw-1e-4_cosine-20e_1xb2_fold4',
    'm11_mask-rcnn_x50-32x4d_fpn_a16-256_nms40_cw_frz2_adamw-4e-4_step3-10e_1xb4_fold0',
    'm12_mask-rcnn_r101_fpn_a8-128_rpn3k_cp-crop_amp_ema_adamw-1e-4_cosine-30e_1xb4_fold1',
    'm13_mask-rcnn_swin-t_fpn_a8-181_rpn2k_cw_amp_ema_adamw-1e-4_cosine-20e_1xb4_fold2',
    'm14_cascade-mask-rcnn_r50_fpn_a16-256_nms40_s1333x800_cw_amp_adamw-1e-4_cosine-20e_1xb2_fold3',
    'm15_mask-rcnn_regnetx-3.2GF_fpn_a8-181_nms60_frz2_amp_adamw-1e-4_cosine-20e_1xb8_fold4',
    'm16_mask-rcnn_x101-32x4d_fpn_a8-128_cw_cp-crop_amp_ema_adamw-1e-4_cosine-20e_1xb4_fold0',
    'm17_mask-rcnn_r50_fpn_a16-256_rpn3k_nms60_s200pct_frz3_adamw-4e-4_step3-12e_1xb4_fold2',
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
