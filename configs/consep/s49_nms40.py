"""Step 49: the views of step 35, with cells merged whose boxes overlap by an IoU of 0.4 in place of 0.5."""

_base_ = './s35_lite0_views.py'
model = dict(test_cfg=dict(rcnn=dict(nms=dict(iou_threshold=0.4))))
