"""Step 17: NMS over the boxes of steps 11, 13 and 14, across classes, as published."""

data_root = '{{$CONSEP_ROOT:data/consep}}'
ann_file = f'{data_root}/annotations/test.json'
ids_file = f'{data_root}/test_image_name_to_ids.json'
oof_ann_file = f'{data_root}/annotations/fold0_val.json'
out_dir = 'work_dirs/consep/s17_nms'
names = [
    's11_roi128',
    's13_ema_60e',
    's14_cp-crop',
    's15_tta',
    's16_cp-crop_tta',
    's19_from-s14',
    's20_scale150',
    's21_from-s14_tta',
    's22_scale150_tta',
    's24_from-s20',
    's25_scale200',
    's26_scale150_tta-shared',
    's27_from-s20_tta-shared',
    's28_scale200_tta-shared',
    's30_scale200_bn-heads',
    's31_scale150_bn-heads',
    's32_scale200_bn-heads_tta-shared',
    's33_scale150_bn-heads_tta-shared',
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
