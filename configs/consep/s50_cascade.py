"""Step 50: step 41 with a cascade of three box heads in place of one."""

_base_ = [
    '../_base_/models/cascade-mask-rcnn_lite0_fpn-64.py',
    '../_base_/datasets/consep_fold0.py',
    '../_base_/schedules/adamw-1e-3_cosine.py',
    '../_base_/default_runtime.py',
]
stages = [dict(s, sampler=dict(s.sampler, num=64, pos_fraction=0.5)) for s in _base_.model.train_cfg.rcnn]
model = dict(
    backbone=dict(frozen_stages=2), rpn_head=dict(anchor_generator=_base_.anchors.a11_256), train_cfg=dict(rcnn=stages)
)
train_pipeline = [*_base_.histology.c256_no_stain[:4], _base_.resizes.random150pct, *_base_.histology.c256_no_stain[5:]]
dataset = dict(_base_.balanced.dataset, dataset=dict(pipeline=train_pipeline))
train_dataloader = dict(_base_.balanced, num_workers=1, dataset=dataset)
val_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s150pct.test))
test_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s150pct.test))
train_cfg = dict(max_epochs=12, val_interval=12)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=12, convert_to_iter_based=True)]
custom_hooks = [*_base_.custom_hooks, _base_.bfloat16_hook, dict(_base_.ema_hook, momentum=0.002)]
