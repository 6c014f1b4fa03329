"""First member of the quickstart: anchors of 8 to 128 px, every image as often as the others."""

_base_ = [
    '../_base_/models/mask-rcnn_r18_fpn-64.py',
    '../_base_/datasets/demo.py',
    '../_base_/schedules/adamw-1e-3_cosine.py',
    '../_base_/default_runtime.py',
]
