"""Step 33: the model of step 31, the same."""

_base_ = './s31_mask-rcnn_r18v2_fpn-64_a11-256_c256_roi128_s150pct_cw_cp-crop_aug-rot-scale_bf16_ema_scratch_adamw-1e-3_cosine-80e_1xb4_fold0.py'
tta = True
tta_model = dict(keep_views=True)
