"""Step 44: step 34 with twice the weight on the loss of masks."""

_base_ = './s34_lite0.py'
model = dict(roi_head=dict(mask_head=dict(loss_mask=dict(loss_weight=2.0))))
