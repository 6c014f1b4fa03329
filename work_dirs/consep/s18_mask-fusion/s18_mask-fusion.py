ann_file = 'data/consep/annotations/test.json'
candidates = dict(
    s11=dict(
        config=
        'configs/consep/s11_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp_aug-rot-scale-stain_bf16_scratch_adamw-1e-3_cosine-12e_1xb4_fold0.py',
        name='s11',
        oof=
        'work_dirs/consep/s11_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp_aug-rot-scale-stain_bf16_scratch_adamw-1e-3_cosine-12e_1xb4_fold0/val-results.json',
        results=
        'work_dirs/consep/s11_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp_aug-rot-scale-stain_bf16_scratch_adamw-1e-3_cosine-12e_1xb4_fold0/test-results.json'
    ),
    s13=dict(
        config=
        'configs/consep/s13_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp_aug-rot-scale-stain_bf16_ema_scratch_adamw-1e-3_cosine-60e_1xb4_fold0.py',
        name='s13',
        oof=
        'work_dirs/consep/s13_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp_aug-rot-scale-stain_bf16_ema_scratch_adamw-1e-3_cosine-60e_1xb4_fold0/val-results.json',
        results=
        'work_dirs/consep/s13_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp_aug-rot-scale-stain_bf16_ema_scratch_adamw-1e-3_cosine-60e_1xb4_fold0/test-results.json'
    ),
    s14=dict(
        config=
        'configs/consep/s14_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp-crop_aug-rot-scale_bf16_ema_scratch_adamw-1e-3_cosine-50e_1xb4_fold0.py',
        name='s14',
        oof=
        'work_dirs/consep/s14_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp-crop_aug-rot-scale_bf16_ema_scratch_adamw-1e-3_cosine-50e_1xb4_fold0/val-results.json',
        results=
        'work_dirs/consep/s14_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp-crop_aug-rot-scale_bf16_ema_scratch_adamw-1e-3_cosine-50e_1xb4_fold0/test-results.json'
    ),
    s15=dict(
        config=
        'configs/consep/s15_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_tta_cw_cp_aug-rot-scale-stain_bf16_ema_scratch_adamw-1e-3_cosine-60e_1xb4_fold0.py',
        name='s15',
        oof=
        'work_dirs/consep/s15_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_tta_cw_cp_aug-rot-scale-stain_bf16_ema_scratch_adamw-1e-3_cosine-60e_1xb4_fold0/val-results.json',
        results=
        'work_dirs/consep/s15_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_tta_cw_cp_aug-rot-scale-stain_bf16_ema_scratch_adamw-1e-3_cosine-60e_1xb4_fold0/test-results.json'
    ),
    s16=dict(
        config=
        'configs/consep/s16_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_tta_cw_cp-crop_aug-rot-scale_bf16_ema_scratch_adamw-1e-3_cosine-50e_1xb4_fold0.py',
        name='s16',
        oof=
        'work_dirs/consep/s16_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_tta_cw_cp-crop_aug-rot-scale_bf16_ema_scratch_adamw-1e-3_cosine-50e_1xb4_fold0/val-results.json',
        results=
        'work_dirs/consep/s16_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_tta_cw_cp-crop_aug-rot-scale_bf16_ema_scratch_adamw-1e-3_cosine-50e_1xb4_fold0/test-results.json'
    ),
    s19=dict(
        config=
        'configs/consep/s19_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp-crop_aug-rot-scale_bf16_ema_from-s14_adamw-5e-4_cosine-100e_1xb4_fold0.py',
        name='s19',
        oof=
        'work_dirs/consep/s19_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp-crop_aug-rot-scale_bf16_ema_from-s14_adamw-5e-4_cosine-100e_1xb4_fold0/val-results.json',
        results=
        'work_dirs/consep/s19_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp-crop_aug-rot-scale_bf16_ema_from-s14_adamw-5e-4_cosine-100e_1xb4_fold0/test-results.json'
    ),
    s20=dict(
        config=
        'configs/consep/s20_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_s150pct_cw_cp-crop_aug-rot-scale_bf16_ema_from-s14_adamw-5e-4_cosine-100e_1xb4_fold0.py',
        name='s20',
        oof=
        'work_dirs/consep/s20_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_s150pct_cw_cp-crop_aug-rot-scale_bf16_ema_from-s14_adamw-5e-4_cosine-100e_1xb4_fold0/val-results.json',
        results=
        'work_dirs/consep/s20_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_s150pct_cw_cp-crop_aug-rot-scale_bf16_ema_from-s14_adamw-5e-4_cosine-100e_1xb4_fold0/test-results.json'
    ),
    s21=dict(
        config=
        'configs/consep/s21_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_tta_cw_cp-crop_aug-rot-scale_bf16_ema_from-s14_adamw-5e-4_cosine-100e_1xb4_fold0.py',
        name='s21',
        oof=
        'work_dirs/consep/s21_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_tta_cw_cp-crop_aug-rot-scale_bf16_ema_from-s14_adamw-5e-4_cosine-100e_1xb4_fold0/val-results.json',
        results=
        'work_dirs/consep/s21_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_tta_cw_cp-crop_aug-rot-scale_bf16_ema_from-s14_adamw-5e-4_cosine-100e_1xb4_fold0/test-results.json'
    ),
    s22=dict(
        config=
        'configs/consep/s22_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_s150pct_tta_cw_cp-crop_aug-rot-scale_bf16_ema_from-s14_adamw-5e-4_cosine-100e_1xb4_fold0.py',
        name='s22',
        oof=
        'work_dirs/consep/s22_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_s150pct_tta_cw_cp-crop_aug-rot-scale_bf16_ema_from-s14_adamw-5e-4_cosine-100e_1xb4_fold0/val-results.json',
        results=
        'work_dirs/consep/s22_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_s150pct_tta_cw_cp-crop_aug-rot-scale_bf16_ema_from-s14_adamw-5e-4_cosine-100e_1xb4_fold0/test-results.json'
    ))
custom_imports = dict(
    allow_failed_imports=False, imports=[
        'mmcellseg',
    ])
data_root = 'data/consep'
fusion = dict(
    class_wise=True, hidden_factor=0.5, iou='mask', type='WeightedMaskFusion')
ids_file = 'data/consep/test_image_name_to_ids.json'
members = [
    dict(
        config=
        'configs/consep/s15_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_tta_cw_cp_aug-rot-scale-stain_bf16_ema_scratch_adamw-1e-3_cosine-60e_1xb4_fold0.py',
        name='s15',
        oof=
        'work_dirs/consep/s15_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_tta_cw_cp_aug-rot-scale-stain_bf16_ema_scratch_adamw-1e-3_cosine-60e_1xb4_fold0/val-results.json',
        results=
        'work_dirs/consep/s15_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_tta_cw_cp_aug-rot-scale-stain_bf16_ema_scratch_adamw-1e-3_cosine-60e_1xb4_fold0/test-results.json'
    ),
    dict(
        config=
        'configs/consep/s16_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_tta_cw_cp-crop_aug-rot-scale_bf16_ema_scratch_adamw-1e-3_cosine-50e_1xb4_fold0.py',
        name='s16',
        oof=
        'work_dirs/consep/s16_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_tta_cw_cp-crop_aug-rot-scale_bf16_ema_scratch_adamw-1e-3_cosine-50e_1xb4_fold0/val-results.json',
        results=
        'work_dirs/consep/s16_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_tta_cw_cp-crop_aug-rot-scale_bf16_ema_scratch_adamw-1e-3_cosine-50e_1xb4_fold0/test-results.json'
    ),
]
names = [
    's11_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp_aug-rot-scale-stain_bf16_scratch_adamw-1e-3_cosine-12e_1xb4_fold0',
    's13_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp_aug-rot-scale-stain_bf16_ema_scratch_adamw-1e-3_cosine-60e_1xb4_fold0',
    's14_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp-crop_aug-rot-scale_bf16_ema_scratch_adamw-1e-3_cosine-50e_1xb4_fold0',
    's15_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_tta_cw_cp_aug-rot-scale-stain_bf16_ema_scratch_adamw-1e-3_cosine-60e_1xb4_fold0',
    's16_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_tta_cw_cp-crop_aug-rot-scale_bf16_ema_scratch_adamw-1e-3_cosine-50e_1xb4_fold0',
    's19_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp-crop_aug-rot-scale_bf16_ema_from-s14_adamw-5e-4_cosine-100e_1xb4_fold0',
    's20_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_s150pct_cw_cp-crop_aug-rot-scale_bf16_ema_from-s14_adamw-5e-4_cosine-100e_1xb4_fold0',
    's21_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_tta_cw_cp-crop_aug-rot-scale_bf16_ema_from-s14_adamw-5e-4_cosine-100e_1xb4_fold0',
    's22_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_s150pct_tta_cw_cp-crop_aug-rot-scale_bf16_ema_from-s14_adamw-5e-4_cosine-100e_1xb4_fold0',
]
oof_ann_file = 'data/consep/annotations/fold0_val.json'
out_dir = 'work_dirs/consep/s18_mask-fusion'
