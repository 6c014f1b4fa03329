"""AdamW with one cosine from 1e-4 to 1e-6. A leaf of other length sets both ``max_epochs`` and ``T_max``."""

optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-4))
param_scheduler = [dict(type='CosineAnnealingLR', T_max=20, eta_min=1e-6)]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=20, val_interval=1)
auto_scale_lr = dict(enable=False, base_batch_size=4)
