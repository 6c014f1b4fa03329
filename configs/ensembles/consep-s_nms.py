"""Step 17: NMS over the boxes of steps 11, 13 and 14, across classes, as published."""

data_root = '{{$CONSEP_ROOT:data/consep}}'
ann_file = f'{data_root}/annotations/test.json'
ids_file = f'{data_root}/test_image_name_to_ids.json'
oof_ann_file = f'{data_root}/annotations/fold0_val.json'
out_dir = 'work_dirs/consep/s17_nms'
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
    's24_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_s150pct_cw_cp-crop_aug-rot-scale_bf16_ema_from-s20_adamw-5e-4_cosine-100e_1xb4_fold0',
    's25_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_s200pct_cw_cp-crop_aug-rot-scale_bf16_ema_from-s20_adamw-5e-4_cosine-100e_1xb4_fold0',
    's26_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_s150pct_tta-shared_cw_cp-crop_aug-rot-scale_bf16_ema_from-s14_adamw-5e-4_cosine-100e_1xb4_fold0',
    's27_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_s150pct_tta-shared_cw_cp-crop_aug-rot-scale_bf16_ema_from-s20_adamw-5e-4_cosine-100e_1xb4_fold0',
    's28_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_s200pct_tta-shared_cw_cp-crop_aug-rot-scale_bf16_ema_from-s20_adamw-5e-4_cosine-100e_1xb4_fold0',
    's30_mask-rcnn_r18v2_fpn-64_a11-256_c256_roi128_s200pct_cw_cp-crop_aug-rot-scale_bf16_ema_from-s20_adamw-5e-4_cosine-80e_1xb4_fold0',
    's31_mask-rcnn_r18v2_fpn-64_a11-256_c256_roi128_s150pct_cw_cp-crop_aug-rot-scale_bf16_ema_scratch_adamw-1e-3_cosine-80e_1xb4_fold0',
    's32_mask-rcnn_r18v2_fpn-64_a11-256_c256_roi128_s200pct_tta-shared_cw_cp-crop_aug-rot-scale_bf16_ema_from-s20_adamw-5e-4_cosine-80e_1xb4_fold0',
    's33_mask-rcnn_r18v2_fpn-64_a11-256_c256_roi128_s150pct_tta-shared_cw_cp-crop_aug-rot-scale_bf16_ema_scratch_adamw-1e-3_cosine-80e_1xb4_fold0',
]
candidates = {
    name.split('_')[0]: dict(
        name=name.split('_')[0],
        results=f'work_dirs/consep/{name}/test-results.json',
        oof=f'work_dirs/consep/{name}/val-results.json',
        config=f'configs/consep/{name}.py',
    )
    for name in names
}
members = [candidates['s11'], candidates['s13'], candidates['s14']]
fusion = dict(type='NMSFusion', iou='box', threshold=0.5, class_wise=False)
custom_imports = dict(imports=['mmcellseg.components'], allow_failed_imports=False)
