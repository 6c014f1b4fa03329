"""Step 42: step 34 with masks that go on beyond their box by an eighth of it on each side."""

_base_ = './s34_lite0.py'
margin = 0.125
mask_roi_extractor = dict(type='MarginRoIExtractor', margin=margin)
model = dict(roi_head=dict(mask_roi_extractor=mask_roi_extractor, mask_head=dict(margin=margin)))
