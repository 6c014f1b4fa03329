"""Step 1, full models: MMDetection's anchors of 32 to 512 px."""

_base_ = [
    '../_base_/models/mask-rcnn_r50v2_fpn.py',
    '../_base_/datasets/consep_fold0.py',
    '../_base_/schedules/adamw-1e-3_cosine.py',
    '../_base_/default_runtime.py',
]
model = dict(
    backbone=dict(init_cfg=None, frozen_stages=-1, norm_eval=False),
    rpn_head=dict(anchor_generator=_base_.anchors.a32_512),
)
train_dataloader = dict(batch_size=8)
optim_wrapper = dict(type='AmpOptimWrapper')
train_cfg = dict(max_epochs=60)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=60, convert_to_iter_based=True)]
