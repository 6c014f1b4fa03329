"""The two members of the quickstart."""

data_root = '{{$DEMO_ROOT:data/demo}}'
ann_file = f'{data_root}/annotations/test.json'
ids_file = f'{data_root}/test_image_name_to_ids.json'
out_dir = 'work_dirs/demo/ensemble'
members = [dict(name=name, results=f'work_dirs/demo/{name}', config=f'configs/demo/{name}.py') for name in ('m1', 'm2')]
fusion = dict(type='NMSFusion', iou='box', threshold=0.5, class_wise=False)
custom_imports = dict(imports=['mmcellseg.components'], allow_failed_imports=False)
