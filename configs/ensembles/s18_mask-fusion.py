"""Step 18: mask fusion of the best members: 15 and 16 (adding 13 and 14 did not help)."""

_base_ = './s17_nms.py'
out_dir = 'work_dirs/consep/s18_mask-fusion'
members = [_base_.candidates.s15, _base_.candidates.s16]
fusion = dict(_delete_=True, type='WeightedMaskFusion', iou='mask', class_wise=True, hidden_factor=0.5)
