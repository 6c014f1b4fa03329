"""AdamW with a short warm-up and one cosine to nothing, for training from scratch.

A leaf of other length sets ``max_epochs`` and, with ``_base_.warmup``, the cosine's ``T_max``.
"""

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.01),
    clip_grad=dict(max_norm=10, norm_type=2),
)
warmup = [dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=50)]
param_scheduler = [*warmup, dict(type='CosineAnnealingLR', T_max=20, convert_to_iter_based=True)]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=20, val_interval=5)
auto_scale_lr = dict(enable=False, base_batch_size=4)
