"""Where to begin without a GPU: EfficientNet-Lite0, two anchors a level from 11 px, 600 steps.

Half an hour on two cores, however many images there are: an epoch is 200 crops of 256 px. The weights to begin with
come with a Python package. Six validations show how training goes. With more time raise ``max_epochs`` and ``T_max``
together; where cells are under 15 px across, train and test at a larger scale, as ``consep/s34_lite0`` does.
"""

_base_ = [
    '../_base_/models/mask-rcnn_lite0_fpn-64.py',
    '../_base_/datasets/cells_holdout.py',
    '../_base_/schedules/adamw-1e-3_cosine.py',
    '../_base_/default_runtime.py',
]
rois = dict(num=128, pos_fraction=0.5)
model = dict(rpn_head=dict(anchor_generator=_base_.anchors.a11_256), train_cfg=dict(rcnn=dict(sampler=rois)))
cropped = [*_base_.load_train, _base_.crops.c320, _base_.copy_paste, _base_.resizes.random, _base_.crops.c256]
dataset = dict(_base_.balanced.dataset, dataset=dict(pipeline=[*cropped, *_base_.rot, *_base_.pack_train]))
train_dataloader = dict(num_workers=1, sampler=dict(_base_.balanced.sampler, num_samples=200), dataset=dataset)
val_dataloader = dict(num_workers=1)
test_dataloader = dict(num_workers=1)
train_cfg = dict(max_epochs=12, val_interval=2)
param_scheduler = [*_base_.warmup, dict(type='CosineAnnealingLR', T_max=12, convert_to_iter_based=True)]
custom_hooks = [*_base_.custom_hooks, _base_.bfloat16_hook]
