"""Step 23: mask fusion of steps 21 and 22, whose sizes differ; the best score of a cell counts, not the mean."""

_base_ = './consep-s_mask-fusion.py'
out_dir = 'work_dirs/consep/s23_mask-fusion'
members = [_base_.candidates.s21, _base_.candidates.s22]
fusion = dict(rescoring='max_agreement')
