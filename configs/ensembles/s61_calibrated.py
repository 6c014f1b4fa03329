"""Step 61: step 60 with scores calibrated on the tiles out of fold."""

_base_ = './s60_fold-views.py'
out_dir = 'work_dirs/consep/s61_calibrated'
fusion = dict(calibration=f'{out_dir}/calibration.json')
