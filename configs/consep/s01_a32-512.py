"""Step 1, small models: MMDetection's anchors of 32 to 512 px."""

_base_ = [
    '../_base_/models/mask-rcnn_r18_fpn-64.py',
    '../_base_/datasets/consep_fold0.py',
    '../_base_/schedules/adamw-1e-3_cosine.py',
    '../_base_/default_runtime.py',
]
model = dict(rpn_head=dict(anchor_generator=_base_.anchors.a32_512))
train_dataloader = dict(
    num_workers=1,
    dataset=dict(dataset=dict(pipeline=[*_base_.load_train, _base_.crops.c256, *_base_.flip, *_base_.pack_train])),
)
train_cfg = dict(max_epochs=12, val_interval=6)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=12, convert_to_iter_based=True)]
custom_hooks = [*_base_.custom_hooks, _base_.bfloat16_hook]
