"""Step 26: step 22 with one mask a cell, shared by its classes."""

_base_ = './s20_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_s150pct_cw_cp-crop_aug-rot-scale_bf16_ema_from-s14_adamw-5e-4_cosine-100e_1xb4_fold0.py'
tta = True
tta_model = dict(keep_views=True)
