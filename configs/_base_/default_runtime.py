"""What every run shares: the components, the hooks, the environment, the records."""

custom_imports = dict(imports=['mmcellseg.components'], allow_failed_imports=False)
default_scope = 'mmdet'

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=10),
    param_scheduler=dict(type='ParamSchedulerHook'),
    # No rule: the hook takes it from the key of save_best, which a leaf may change.
    checkpoint=dict(type='AtomicCheckpointHook', interval=1, max_keep_ckpts=2, save_best='cell/segm_AP50'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='CellVisualizationHook'),
)
custom_hooks = [
    dict(type=name)
    for name in (
        *('EpochSeedHook', 'NumClassCheckHook', 'DataFaultHook', 'ExposureHook', 'RecordHook'),
        'DetectionCapHook',
    )
]
ema_hook = dict(type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.0005, update_buffers=True)
# Mixed precision where there is no accelerator; on one, tools/train.py --amp.
bfloat16_hook = dict(type='BFloat16Hook')
# A leaf that changes monitor must give the rule too: 'less' for val_loss.
early_stopping_hook = dict(type='EarlyStoppingHook', monitor='cell/segm_AP50', rule='greater', patience=5)

# For tools/test.py --tta: the views of an image are merged as the members of an ensemble are. Each class that the
# views give a cell stays: AP gains by second guesses. At half their score they are out of the way of label maps, and
# the best class gains what they lose.
tta_model = dict(
    type='CellTTAModel',
    fusion=dict(type='SharedMaskFusion', lift=0.5, hidden_factor=0.5, largest_component=True),
)

env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
randomness = dict(seed=0)

vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='CellVisualizer', vis_backends=vis_backends, name='visualizer')
log_processor = dict(type='LogProcessor', window_size=20, by_epoch=True)
log_level = 'INFO'
load_from = None
resume = False
