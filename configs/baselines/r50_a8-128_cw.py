"""Where to begin: ResNet-50, anchors of 8 to 128 px, rare classes drawn more often."""

_base_ = [
    '../_base_/models/mask-rcnn_r50_fpn.py',
    '../_base_/datasets/cells_holdout.py',
    '../_base_/schedules/adamw-1e-4_cosine.py',
    '../_base_/default_runtime.py',
]
train_dataloader = _base_.balanced
