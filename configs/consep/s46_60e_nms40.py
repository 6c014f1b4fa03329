"""Step 46: step 50 where boxes of a class are merged from an IoU of 0.4 on, in place of 0.5."""

_base_ = './s50_60e_tta-shared.py'
model = dict(test_cfg=dict(rcnn=dict(nms=dict(iou_threshold=0.4))))
