"""Step 32: the model of step 30 tested on four mirrored views, one mask a cell."""

_base_ = './s30_mask-rcnn_r18v2_fpn-64_a11-256_c256_roi128_s200pct_cw_cp-crop_aug-rot-scale_bf16_ema_from-s20_adamw-5e-4_cosine-80e_1xb4_fold0.py'
tta = True
tta_model = dict(keep_views=True)
