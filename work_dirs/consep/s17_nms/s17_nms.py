ann_file = 'data/consep/annotations/test.json'
custom_imports = dict(
    allow_failed_imports=False, imports=[
        'mmcellseg',
    ])
data_root = 'data/consep'
fusion = dict(class_wise=False, iou='box', threshold=0.5, type='NMSFusion')
ids_file = 'data/consep/test_image_name_to_ids.json'
members = [
    dict(
        config=
        'configs/consep/s11_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp_aug-rot-scale-stain_bf16_scratch_adamw-1e-3_cosine-12e_1xb4_fold0.py',
        name='s11',
        oof=
        'work_dirs/consep/s11_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp_aug-rot-scale-stain_bf16_scratch_adamw-1e-3_cosine-12e_1xb4_fold0/val-results.json',
        results=
        'work_dirs/consep/s11_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp_aug-rot-scale-stain_bf16_scratch_adamw-1e-3_cosine-12e_1xb4_fold0/test-results.json'
    ),
    dict(
        config=
        'configs/consep/s13_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp_aug-rot-scale-stain_bf16_ema_scratch_adamw-1e-3_cosine-60e_1xb4_fold0.py',
        name='s13',
        oof=
        'work_dirs/consep/s13_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp_aug-rot-scale-stain_bf16_ema_scratch_adamw-1e-3_cosine-60e_1xb4_fold0/val-results.json',
        results=
        'work_dirs/consep/s13_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp_aug-rot-scale-stain_bf16_ema_scratch_adamw-1e-3_cosine-60e_1xb4_fold0/test-results.json'
    ),
    dict(
        config=
        'configs/consep/s14_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp-crop_aug-rot-scale_bf16_ema_scratch_adamw-1e-3_cosine-50e_1xb4_fold0.py',
        name='s14',
        oof=
        'work_dirs/consep/s14_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp-crop_aug-rot-scale_bf16_ema_scratch_adamw-1e-3_cosine-50e_1xb4_fold0/val-results.json',
        results=
        'work_dirs/consep/s14_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp-crop_aug-rot-scale_bf16_ema_scratch_adamw-1e-3_cosine-50e_1xb4_fold0/test-results.json'
    ),
]
names = [
    's11_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp_aug-rot-scale-stain_bf16_scratch_adamw-1e-3_cosine-12e_1xb4_fold0',
    's13_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp_aug-rot-scale-stain_bf16_ema_scratch_adamw-1e-3_cosine-60e_1xb4_fold0',
    's14_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp-crop_aug-rot-scale_bf16_ema_scratch_adamw-1e-3_cosine-50e_1xb4_fold0',
]
oof_ann_file = 'data/consep/annotations/fold0_val.json'
out_dir = 'work_dirs/consep/s17_nms'
