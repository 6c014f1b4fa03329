"""Step 15: the model of step 13 tested on four mirrored views."""

_base_ = './s13_mask-rcnn_r18_fpn-64_a11-256_c256_roi128_cw_cp_aug-rot-scale-stain_bf16_ema_scratch_adamw-1e-3_cosine-60e_1xb4_fold0.py'
tta = True
tta_model = dict(
    fusion=dict(_delete_=True, type='WeightedMaskFusion', class_wise=True, hidden_factor=0.5),
)
