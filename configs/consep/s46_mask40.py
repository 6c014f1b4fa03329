"""Step 46: step 34 with masks of 40 x 40 in place of 28 x 28."""

_base_ = './s34_lite0.py'
roi_head = dict(mask_roi_extractor=dict(roi_layer=dict(output_size=20)), mask_head=dict(roi_feat_size=20))
model = dict(roi_head=roi_head, train_cfg=dict(rcnn=dict(mask_size=40)))
