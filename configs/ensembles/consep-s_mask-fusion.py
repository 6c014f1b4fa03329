"""Step 18: mask fusion of the best members: 15 and 16 (adding 13 and 14 did not help)."""

data_root = '{{$CONSEP_ROOT:data/consep}}'
ann_file = f'{data_root}/annotations/test.json'
ids_file = f'{data_root}/test_image_name_to_ids.json'
oof_ann_file = f'{data_root}/annotations/fold0_val.json'
out_dir = 'work_dirs/consep/s18_mask-fusion'
names = [
    's15_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_tta_cw_cp_aug-rot-scale-stain_bf16_ema_scratch_adamw-1e-3_cosine-60e_1xb4_fold0',
    's16_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_tta_cw_cp-crop_aug-rot-scale_bf16_ema_scratch_adamw-1e-3_cosine-50e_1xb4_fold0',
]
members = [
    dict(
        name=name.split('_')[0],
        results=f'work_dirs/consep/{name}/test-results.json',
        oof=f'work_dirs/consep/{name}/val-results.json',
        config=f'configs/consep/{name}.py',
    )
    for name in names
]
fusion = dict(type='WeightedMaskFusion', iou='mask', threshold=0.5, vote_threshold=0.5, class_wise=True)
custom_imports = dict(imports=['mmcellseg'], allow_failed_imports=False)
