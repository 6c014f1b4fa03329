"""Step 24: step 20 trained on from its weights, 100 epochs more on crops drawn anew."""

_base_ = './s20_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_s150pct_cw_cp-crop_aug-rot-scale_bf16_ema_from-s14_adamw-5e-4_cosine-100e_1xb4_fold0.py'
load_from = 'work_dirs/consep/s20_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_s150pct_cw_cp-crop_aug-rot-scale_bf16_ema_from-s14_adamw-5e-4_cosine-100e_1xb4_fold0/epoch_100.pth'
# The seed of step 20 would draw the crops that it has seen.
randomness = dict(seed=1)
