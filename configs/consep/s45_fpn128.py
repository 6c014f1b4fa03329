"""Step 45: step 34 with 128 channels in FPN and heads."""

_base_ = './s34_lite0.py'
width = 128
extractor, head = dict(out_channels=width), dict(in_channels=width, conv_out_channels=width)
roi_head = dict(bbox_roi_extractor=extractor, bbox_head=head, mask_roi_extractor=extractor, mask_head=head)
rpn_head = dict(in_channels=width, feat_channels=width)
model = dict(neck=dict(out_channels=width), rpn_head=rpn_head, roi_head=roi_head)
