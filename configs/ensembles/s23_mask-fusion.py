"""Step 23: mask fusion of 22 (twice) and 21, as selected of 16, 20, 21 and 22; the largest piece of each mask."""

_base_ = './s18_mask-fusion.py'
out_dir = 'work_dirs/consep/s23_mask-fusion'
# What `tools/ensemble.py --select --rounds 3` drew.
members = [_base_.candidates.s21, dict(_base_.candidates.s22, weight=2)]
fusion = dict(rescoring='max_agreement', largest_component=True)
