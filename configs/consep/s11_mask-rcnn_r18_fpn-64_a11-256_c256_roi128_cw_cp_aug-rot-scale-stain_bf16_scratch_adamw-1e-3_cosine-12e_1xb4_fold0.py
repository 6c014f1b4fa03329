"""Step 11: step 8 with 128 RoIs a crop in training (64), up to half of them cells (a quarter)."""

_base_ = (
    './s08_mask-rcnn_r18_fpn-64_a11-256_c256_cw_cp_aug-rot-scale-stain_bf16_scratch_adamw-1e-3_cosine-12e_1xb4_fold0.py'
)
model = dict(train_cfg=dict(rcnn=dict(sampler=dict(num=128, pos_fraction=0.5))))
