"""Step 17: NMS over the boxes of the steps with batch norm in the heads or two anchor sizes an octave."""

data_root = '{{$CONSEP_ROOT:data/consep}}'
ann_file = f'{data_root}/annotations/test.json'
ids_file = f'{data_root}/test_image_name_to_ids.json'
oof_ann_file = f'{data_root}/annotations/fold0_val.json'
out_dir = 'work_dirs/consep/s17_nms'
