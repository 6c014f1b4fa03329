"""Step 49: step 41 with masks of 56 px a cell in place of 28."""

_base_ = './s41_backbone-rate.py'
model = dict(
    roi_head=dict(mask_roi_extractor=dict(roi_layer=dict(output_size=28))),
    train_cfg=dict(rcnn=dict(mask_size=56)),
)
