"""Step 30: step 25 with the heads of step 12: these begin from random weights, the rest from step 20; 80 epochs."""

_base_ = './s25_scale200.py'
bn = dict(type='BN', requires_grad=True)
bbox_head = dict(type='Shared4Conv1FCBBoxHead', conv_out_channels=64, norm_cfg=bn)
roi_head = dict(bbox_head=bbox_head, mask_head=dict(num_convs=4, norm_cfg=bn))
model = dict(neck=dict(norm_cfg=bn), rpn_head=dict(num_convs=2), roi_head=roi_head)
train_cfg = dict(max_epochs=80)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=80, convert_to_iter_based=True)]
