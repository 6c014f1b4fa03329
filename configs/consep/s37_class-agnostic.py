"""Step 37: step 34 with one box regression and one mask for all classes, which every cell trains."""

_base_ = './s34_lite0.py'
model = dict(roi_head=dict(bbox_head=dict(reg_class_agnostic=True), mask_head=dict(class_agnostic=True)))
