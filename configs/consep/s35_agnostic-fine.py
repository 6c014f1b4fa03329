"""Step 35: step 34 with one box regression and one mask for all classes, and the backbone's channels at stride 2."""

_base_ = './s34_lite0.py'
model = dict(
    backbone=dict(out_indices=(1, 2, 3, 4, 5), fine_detail=True),
    neck=dict(in_channels=[88, 40, 112, 320]),
    roi_head=dict(bbox_head=dict(reg_class_agnostic=True), mask_head=dict(class_agnostic=True)),
)
