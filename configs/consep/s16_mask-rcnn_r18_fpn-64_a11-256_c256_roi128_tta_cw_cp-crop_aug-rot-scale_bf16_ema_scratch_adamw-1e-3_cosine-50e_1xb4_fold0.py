"""Step 16: the model of step 14 tested on four mirrored views."""

_base_ = './s14_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp-crop_aug-rot-scale_bf16_ema_scratch_adamw-1e-3_cosine-50e_1xb4_fold0.py'
tta = True
tta_model = dict(
    fusion=dict(_delete_=True, type='WeightedMaskFusion', class_wise=True, hidden_factor=0.5),
)
