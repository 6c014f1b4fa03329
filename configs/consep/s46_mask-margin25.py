"""Step 46: step 36 with a quarter of the box on each side."""

_base_ = './s36_mask-margin.py'
margin = 0.25
model = dict(roi_head=dict(mask_roi_extractor=dict(margin=margin), mask_head=dict(margin=margin)))
