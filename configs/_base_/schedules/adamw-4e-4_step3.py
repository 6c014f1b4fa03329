"""AdamW with the learning rate cut to a tenth every three epochs (weight decay is PyTorch's own)."""

optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=4e-4, weight_decay=0.01))
param_scheduler = [dict(type='StepLR', step_size=3, gamma=0.1)]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=10, val_interval=1)
auto_scale_lr = dict(enable=False, base_batch_size=4)
