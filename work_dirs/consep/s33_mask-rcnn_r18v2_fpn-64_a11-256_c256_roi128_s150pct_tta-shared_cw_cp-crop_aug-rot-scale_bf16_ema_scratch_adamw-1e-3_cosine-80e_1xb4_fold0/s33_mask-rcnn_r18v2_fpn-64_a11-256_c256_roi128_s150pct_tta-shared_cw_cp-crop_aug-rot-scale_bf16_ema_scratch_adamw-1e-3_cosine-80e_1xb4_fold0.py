anchors = dict(
    a11_256=dict(
        ratios=[
            0.5,
            1.0,
            2.0,
        ],
        scales=[
            2.83,
            4,
        ],
        strides=[
            4,
            8,
            16,
            32,
            64,
        ],
        type='AnchorGenerator'),
    a16_256=dict(
        ratios=[
            0.5,
            1.0,
            2.0,
        ],
        scales=[
            4,
        ],
        strides=[
            4,
            8,
            16,
            32,
            64,
        ],
        type='AnchorGenerator'),
    a32_512=dict(
        ratios=[
            0.5,
            1.0,
            2.0,
        ],
        scales=[
            8,
        ],
        strides=[
            4,
            8,
            16,
            32,
            64,
        ],
        type='AnchorGenerator'),
    a8_128=dict(
        ratios=[
            0.5,
            1.0,
            2.0,
        ],
        scales=[
            2,
        ],
        strides=[
            4,
            8,
            16,
            32,
            64,
        ],
        type='AnchorGenerator'),
    a8_181=dict(
        ratios=[
            0.5,
            1.0,
            2.0,
        ],
        scales=[
            2,
            2.83,
        ],
        strides=[
            4,
            8,
            16,
            32,
            64,
        ],
        type='AnchorGenerator'))
auto_scale_lr = dict(base_batch_size=4, enable=False)
balanced_sampler = dict(type='WeightedRandomSampler')
bbox_head = dict(
    conv_out_channels=64,
    norm_cfg=dict(requires_grad=True, type='BN'),
    type='Shared4Conv1FCBBoxHead')
bfloat16_hook = dict(type='BFloat16Hook')
bn = dict(requires_grad=True, type='BN')
caps = dict(
    rpn1k_det100=dict(
        rcnn=dict(max_per_img=100),
        rpn=dict(max_per_img=1000, nms_pre=1000),
        rpn_train=dict(max_per_img=2000, nms_pre=2000)),
    rpn2k=dict(
        rcnn=dict(max_per_img=1000), rpn=dict(max_per_img=2000, nms_pre=2000)),
    rpn3k=dict(
        rcnn=dict(max_per_img=1500), rpn=dict(max_per_img=3000, nms_pre=3000)),
    rpn5k=dict(
        rcnn=dict(max_per_img=2500), rpn=dict(max_per_img=5000, nms_pre=5000)),
    rpn5k_train1k=dict(
        rcnn=dict(max_per_img=2500),
        rpn=dict(max_per_img=5000, nms_pre=5000),
        rpn_train=dict(max_per_img=1000, nms_pre=1000)))
classes = (
    'other',
    'inflammatory',
    'epithelial',
    'spindle',
)
copy_paste = dict(
    ann_file='annotations/fold0_train.json',
    data_root='data/consep',
    type='RareClassCopyPaste')
crops = dict(
    c128=dict(
        allow_negative_crop=True,
        crop_size=(
            128,
            128,
        ),
        recompute_bbox=True,
        type='RandomCrop'),
    c256=dict(
        allow_negative_crop=True,
        crop_size=(
            256,
            256,
        ),
        recompute_bbox=True,
        type='RandomCrop'),
    c320=dict(
        allow_negative_crop=True,
        crop_size=(
            320,
            320,
        ),
        recompute_bbox=True,
        type='RandomCrop'),
    c512=dict(
        allow_negative_crop=True,
        crop_size=(
            512,
            512,
        ),
        recompute_bbox=True,
        type='RandomCrop'),
    c640=dict(
        allow_negative_crop=True,
        crop_size=(
            640,
            640,
        ),
        recompute_bbox=True,
        type='RandomCrop'))
custom_hooks = [
    dict(type='EpochSeedHook'),
    dict(type='ClassCountHook'),
    dict(type='DataFaultHook'),
    dict(type='ExposureHook'),
    dict(type='RecordHook'),
    dict(type='BFloat16Hook'),
    dict(
        ema_type='ExpMomentumEMA',
        momentum=0.0005,
        type='EMAHook',
        update_buffers=True),
]
custom_imports = dict(
    allow_failed_imports=False, imports=[
        'mmcellseg',
    ])
data_root = 'data/consep'
default_hooks = dict(
    checkpoint=dict(
        interval=1,
        max_keep_ckpts=2,
        save_best='cell/segm_AP50',
        type='AtomicCheckpointHook'),
    logger=dict(interval=10, type='LoggerHook'),
    param_scheduler=dict(type='ParamSchedulerHook'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    timer=dict(type='IterTimerHook'),
    visualization=dict(type='CellVisualizationHook'))
default_scope = 'mmdet'
early_stopping_hook = dict(
    monitor='cell/segm_AP50',
    patience=5,
    rule='greater',
    type='EarlyStoppingHook')
ema_hook = dict(
    ema_type='ExpMomentumEMA',
    momentum=0.0005,
    type='EMAHook',
    update_buffers=True)
env_cfg = dict(
    cudnn_benchmark=False,
    dist_cfg=dict(backend='nccl'),
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0))
flip = [
    dict(
        direction=[
            'horizontal',
            'vertical',
            'diagonal',
        ],
        prob=[
            0.25,
            0.25,
            0.25,
        ],
        type='RandomFlip'),
]
histology = dict(
    c256=[
        dict(type='LoadTiffImage'),
        dict(type='LoadCellAnnotations'),
        dict(
            ann_file='annotations/fold0_train.json',
            data_root='data/consep',
            type='RareClassCopyPaste'),
        dict(
            transforms=[
                [
                    dict(scale_factor=0.8, type='Resize'),
                ],
                [
                    dict(scale_factor=1.0, type='Resize'),
                ],
                [
                    dict(scale_factor=1.25, type='Resize'),
                ],
            ],
            type='RandomChoice'),
        dict(
            allow_negative_crop=True,
            crop_size=(
                256,
                256,
            ),
            recompute_bbox=True,
            type='RandomCrop'),
        dict(prob=0.5, type='RandomFlip'),
        dict(type='RandomRotate90'),
        dict(prob=0.5, strength=0.2, type='StainJitter'),
        dict(
            brightness_delta=16,
            contrast_range=(
                0.85,
                1.15,
            ),
            hue_delta=5,
            saturation_range=(
                0.85,
                1.15,
            ),
            type='PhotoMetricDistortion'),
        dict(
            keep_empty=False,
            min_gt_bbox_wh=(
                1,
                1,
            ),
            type='FilterAnnotations'),
        dict(type='PackDetInputs'),
    ],
    c256_no_stain=[
        dict(type='LoadTiffImage'),
        dict(type='LoadCellAnnotations'),
        dict(
            allow_negative_crop=True,
            crop_size=(
                320,
                320,
            ),
            recompute_bbox=True,
            type='RandomCrop'),
        dict(
            ann_file='annotations/fold0_train.json',
            data_root='data/consep',
            type='RareClassCopyPaste'),
        dict(
            transforms=[
                [
                    dict(scale_factor=0.8, type='Resize'),
                ],
                [
                    dict(scale_factor=1.0, type='Resize'),
                ],
                [
                    dict(scale_factor=1.25, type='Resize'),
                ],
            ],
            type='RandomChoice'),
        dict(
            allow_negative_crop=True,
            crop_size=(
                256,
                256,
            ),
            recompute_bbox=True,
            type='RandomCrop'),
        dict(prob=0.5, type='RandomFlip'),
        dict(type='RandomRotate90'),
        dict(
            keep_empty=False,
            min_gt_bbox_wh=(
                1,
                1,
            ),
            type='FilterAnnotations'),
        dict(type='PackDetInputs'),
    ],
    c256_s150pct=[
        dict(type='LoadTiffImage'),
        dict(type='LoadCellAnnotations'),
        dict(
            ann_file='annotations/fold0_train.json',
            data_root='data/consep',
            type='RareClassCopyPaste'),
        dict(
            transforms=[
                [
                    dict(scale_factor=1.2, type='Resize'),
                ],
                [
                    dict(scale_factor=1.5, type='Resize'),
                ],
                [
                    dict(scale_factor=1.875, type='Resize'),
                ],
            ],
            type='RandomChoice'),
        dict(
            allow_negative_crop=True,
            crop_size=(
                256,
                256,
            ),
            recompute_bbox=True,
            type='RandomCrop'),
        dict(prob=0.5, type='RandomFlip'),
        dict(type='RandomRotate90'),
        dict(prob=0.5, strength=0.2, type='StainJitter'),
        dict(
            brightness_delta=16,
            contrast_range=(
                0.85,
                1.15,
            ),
            hue_delta=5,
            saturation_range=(
                0.85,
                1.15,
            ),
            type='PhotoMetricDistortion'),
        dict(
            keep_empty=False,
            min_gt_bbox_wh=(
                1,
                1,
            ),
            type='FilterAnnotations'),
        dict(type='PackDetInputs'),
    ],
    c256_s200pct=[
        dict(type='LoadTiffImage'),
        dict(type='LoadCellAnnotations'),
        dict(
            ann_file='annotations/fold0_train.json',
            data_root='data/consep',
            type='RareClassCopyPaste'),
        dict(
            transforms=[
                [
                    dict(scale_factor=1.6, type='Resize'),
                ],
                [
                    dict(scale_factor=2.0, type='Resize'),
                ],
                [
                    dict(scale_factor=2.5, type='Resize'),
                ],
            ],
            type='RandomChoice'),
        dict(
            allow_negative_crop=True,
            crop_size=(
                256,
                256,
            ),
            recompute_bbox=True,
            type='RandomCrop'),
        dict(prob=0.5, type='RandomFlip'),
        dict(type='RandomRotate90'),
        dict(prob=0.5, strength=0.2, type='StainJitter'),
        dict(
            brightness_delta=16,
            contrast_range=(
                0.85,
                1.15,
            ),
            hue_delta=5,
            saturation_range=(
                0.85,
                1.15,
            ),
            type='PhotoMetricDistortion'),
        dict(
            keep_empty=False,
            min_gt_bbox_wh=(
                1,
                1,
            ),
            type='FilterAnnotations'),
        dict(type='PackDetInputs'),
    ],
    c512=[
        dict(type='LoadTiffImage'),
        dict(type='LoadCellAnnotations'),
        dict(
            allow_negative_crop=True,
            crop_size=(
                640,
                640,
            ),
            recompute_bbox=True,
            type='RandomCrop'),
        dict(
            ann_file='annotations/fold0_train.json',
            data_root='data/consep',
            type='RareClassCopyPaste'),
        dict(
            transforms=[
                [
                    dict(scale_factor=0.8, type='Resize'),
                ],
                [
                    dict(scale_factor=1.0, type='Resize'),
                ],
                [
                    dict(scale_factor=1.25, type='Resize'),
                ],
            ],
            type='RandomChoice'),
        dict(
            allow_negative_crop=True,
            crop_size=(
                512,
                512,
            ),
            recompute_bbox=True,
            type='RandomCrop'),
        dict(prob=0.5, type='RandomFlip'),
        dict(type='RandomRotate90'),
        dict(prob=0.5, strength=0.2, type='StainJitter'),
        dict(
            brightness_delta=16,
            contrast_range=(
                0.85,
                1.15,
            ),
            hue_delta=5,
            saturation_range=(
                0.85,
                1.15,
            ),
            type='PhotoMetricDistortion'),
        dict(
            keep_empty=False,
            min_gt_bbox_wh=(
                1,
                1,
            ),
            type='FilterAnnotations'),
        dict(type='PackDetInputs'),
    ])
load_from = None
load_test = [
    dict(type='LoadTiffImage'),
]
load_train = [
    dict(type='LoadTiffImage'),
    dict(type='LoadCellAnnotations'),
]
log_level = 'INFO'
log_processor = dict(by_epoch=True, type='LogProcessor', window_size=20)
metainfo = dict(classes=(
    'other',
    'inflammatory',
    'epithelial',
    'spindle',
))
model = dict(
    _scope_='mmdet',
    backbone=dict(
        depth=18,
        frozen_stages=-1,
        init_cfg=None,
        norm_cfg=dict(requires_grad=True, type='BN'),
        norm_eval=False,
        num_stages=4,
        out_indices=(
            0,
            1,
            2,
            3,
        ),
        style='pytorch',
        type='ResNet'),
    data_preprocessor=dict(
        bgr_to_rgb=True,
        mean=[
            123.675,
            116.28,
            103.53,
        ],
        pad_mask=True,
        pad_size_divisor=32,
        std=[
            58.395,
            57.12,
            57.375,
        ],
        type='DetDataPreprocessor'),
    neck=dict(
        in_channels=[
            64,
            128,
            256,
            512,
        ],
        norm_cfg=dict(requires_grad=True, type='BN'),
        num_outs=5,
        out_channels=64,
        type='FPN'),
    roi_head=dict(
        bbox_head=dict(
            bbox_coder=dict(
                target_means=[
                    0.0,
                    0.0,
                    0.0,
                    0.0,
                ],
                target_stds=[
                    0.1,
                    0.1,
                    0.2,
                    0.2,
                ],
                type='DeltaXYWHBBoxCoder'),
            conv_out_channels=64,
            fc_out_channels=256,
            in_channels=64,
            loss_bbox=dict(loss_weight=1.0, type='L1Loss'),
            loss_cls=dict(
                loss_weight=1.0, type='CrossEntropyLoss', use_sigmoid=False),
            norm_cfg=dict(requires_grad=True, type='BN'),
            num_classes=4,
            reg_class_agnostic=False,
            roi_feat_size=7,
            type='Shared4Conv1FCBBoxHead'),
        bbox_roi_extractor=dict(
            featmap_strides=[
                4,
                8,
                16,
                32,
            ],
            out_channels=64,
            roi_layer=dict(output_size=7, sampling_ratio=0, type='RoIAlign'),
            type='SingleRoIExtractor'),
        mask_head=dict(
            conv_out_channels=64,
            in_channels=64,
            loss_mask=dict(
                loss_weight=1.0, type='CrossEntropyLoss', use_mask=True),
            norm_cfg=dict(requires_grad=True, type='BN'),
            num_classes=4,
            num_convs=4,
            type='RLEMaskHead'),
        mask_roi_extractor=dict(
            featmap_strides=[
                4,
                8,
                16,
                32,
            ],
            out_channels=64,
            roi_layer=dict(output_size=14, sampling_ratio=0, type='RoIAlign'),
            type='SingleRoIExtractor'),
        type='StandardRoIHead'),
    rpn_head=dict(
        anchor_generator=dict(
            ratios=[
                0.5,
                1.0,
                2.0,
            ],
            scales=[
                2.83,
                4,
            ],
            strides=[
                4,
                8,
                16,
                32,
                64,
            ],
            type='AnchorGenerator'),
        bbox_coder=dict(
            target_means=[
                0.0,
                0.0,
                0.0,
                0.0,
            ],
            target_stds=[
                1.0,
                1.0,
                1.0,
                1.0,
            ],
            type='DeltaXYWHBBoxCoder'),
        feat_channels=64,
        in_channels=64,
        loss_bbox=dict(loss_weight=1.0, type='L1Loss'),
        loss_cls=dict(
            loss_weight=1.0, type='CrossEntropyLoss', use_sigmoid=True),
        num_convs=2,
        type='RPNHead'),
    test_cfg=dict(
        rcnn=dict(
            mask_thr_binary=0.5,
            max_per_img=2500,
            nms=dict(iou_threshold=0.5, type='nms'),
            score_thr=0.05),
        rpn=dict(
            max_per_img=5000,
            min_bbox_size=0,
            nms=dict(iou_threshold=0.7, type='nms'),
            nms_pre=5000)),
    train_cfg=dict(
        rcnn=dict(
            assigner=dict(
                ignore_iof_thr=-1,
                match_low_quality=True,
                min_pos_iou=0.5,
                neg_iou_thr=0.5,
                pos_iou_thr=0.5,
                type='ChunkedMaxIoUAssigner'),
            debug=False,
            mask_size=28,
            pos_weight=-1,
            sampler=dict(
                add_gt_as_proposals=True,
                neg_pos_ub=-1,
                num=128,
                pos_fraction=0.5,
                type='RandomSampler')),
        rpn=dict(
            allowed_border=-1,
            assigner=dict(
                ignore_iof_thr=-1,
                match_low_quality=True,
                min_pos_iou=0.3,
                neg_iou_thr=0.3,
                pos_iou_thr=0.7,
                type='ChunkedMaxIoUAssigner'),
            debug=False,
            pos_weight=-1,
            sampler=dict(
                add_gt_as_proposals=False,
                neg_pos_ub=-1,
                num=256,
                pos_fraction=0.5,
                type='RandomSampler')),
        rpn_proposal=dict(
            max_per_img=1000,
            min_bbox_size=0,
            nms=dict(iou_threshold=0.7, type='nms'),
            nms_pre=1000)),
    type='MaskRCNN')
num_classes = 4
optim_wrapper = dict(
    clip_grad=dict(max_norm=10, norm_type=2),
    optimizer=dict(lr=0.001, type='AdamW', weight_decay=0.01),
    type='OptimWrapper')
pack_test = [
    dict(
        meta_keys=(
            'img_id',
            'img_path',
            'ori_shape',
            'img_shape',
            'scale_factor',
        ),
        type='PackDetInputs'),
]
pack_train = [
    dict(keep_empty=False, min_gt_bbox_wh=(
        1,
        1,
    ), type='FilterAnnotations'),
    dict(type='PackDetInputs'),
]
param_scheduler = [
    dict(begin=0, by_epoch=False, end=50, start_factor=0.1, type='LinearLR'),
    dict(T_max=80, convert_to_iter_based=True, type='CosineAnnealingLR'),
]
pipelines = dict(
    own=dict(
        test=[
            dict(type='LoadTiffImage'),
            dict(
                meta_keys=(
                    'img_id',
                    'img_path',
                    'ori_shape',
                    'img_shape',
                    'scale_factor',
                ),
                type='PackDetInputs'),
        ],
        train=[
            dict(type='LoadTiffImage'),
            dict(type='LoadCellAnnotations'),
            dict(
                allow_negative_crop=True,
                crop_size=(
                    512,
                    512,
                ),
                recompute_bbox=True,
                type='RandomCrop'),
            dict(
                direction=[
                    'horizontal',
                    'vertical',
                    'diagonal',
                ],
                prob=[
                    0.25,
                    0.25,
                    0.25,
                ],
                type='RandomFlip'),
            dict(
                keep_empty=False,
                min_gt_bbox_wh=(
                    1,
                    1,
                ),
                type='FilterAnnotations'),
            dict(type='PackDetInputs'),
        ]),
    s1333x800=dict(
        test=[
            dict(type='LoadTiffImage'),
            dict(keep_ratio=True, scale=(
                1333,
                800,
            ), type='Resize'),
            dict(
                meta_keys=(
                    'img_id',
                    'img_path',
                    'ori_shape',
                    'img_shape',
                    'scale_factor',
                ),
                type='PackDetInputs'),
        ],
        train=[
            dict(type='LoadTiffImage'),
            dict(type='LoadCellAnnotations'),
            dict(keep_ratio=True, scale=(
                1333,
                800,
            ), type='Resize'),
            dict(
                direction=[
                    'horizontal',
                    'vertical',
                    'diagonal',
                ],
                prob=[
                    0.25,
                    0.25,
                    0.25,
                ],
                type='RandomFlip'),
            dict(
                keep_empty=False,
                min_gt_bbox_wh=(
                    1,
                    1,
                ),
                type='FilterAnnotations'),
            dict(type='PackDetInputs'),
        ]),
    s150pct=dict(test=[
        dict(type='LoadTiffImage'),
        dict(scale_factor=1.5, type='Resize'),
        dict(
            meta_keys=(
                'img_id',
                'img_path',
                'ori_shape',
                'img_shape',
                'scale_factor',
            ),
            type='PackDetInputs'),
    ]),
    s200pct=dict(
        test=[
            dict(type='LoadTiffImage'),
            dict(scale_factor=2.0, type='Resize'),
            dict(
                meta_keys=(
                    'img_id',
                    'img_path',
                    'ori_shape',
                    'img_shape',
                    'scale_factor',
                ),
                type='PackDetInputs'),
        ],
        train=[
            dict(type='LoadTiffImage'),
            dict(type='LoadCellAnnotations'),
            dict(scale_factor=2.0, type='Resize'),
            dict(
                allow_negative_crop=True,
                crop_size=(
                    512,
                    512,
                ),
                recompute_bbox=True,
                type='RandomCrop'),
            dict(
                direction=[
                    'horizontal',
                    'vertical',
                    'diagonal',
                ],
                prob=[
                    0.25,
                    0.25,
                    0.25,
                ],
                type='RandomFlip'),
            dict(
                keep_empty=False,
                min_gt_bbox_wh=(
                    1,
                    1,
                ),
                type='FilterAnnotations'),
            dict(type='PackDetInputs'),
        ]))
plain_sampler = dict(shuffle=True, type='DefaultSampler')
randomness = dict(seed=0)
resizes = dict(
    random=dict(
        transforms=[
            [
                dict(scale_factor=0.8, type='Resize'),
            ],
            [
                dict(scale_factor=1.0, type='Resize'),
            ],
            [
                dict(scale_factor=1.25, type='Resize'),
            ],
        ],
        type='RandomChoice'),
    random150pct=dict(
        transforms=[
            [
                dict(scale_factor=1.2, type='Resize'),
            ],
            [
                dict(scale_factor=1.5, type='Resize'),
            ],
            [
                dict(scale_factor=1.875, type='Resize'),
            ],
        ],
        type='RandomChoice'),
    random200pct=dict(
        transforms=[
            [
                dict(scale_factor=1.6, type='Resize'),
            ],
            [
                dict(scale_factor=2.0, type='Resize'),
            ],
            [
                dict(scale_factor=2.5, type='Resize'),
            ],
        ],
        type='RandomChoice'),
    s1333x800=dict(keep_ratio=True, scale=(
        1333,
        800,
    ), type='Resize'),
    s150pct=dict(scale_factor=1.5, type='Resize'),
    s200pct=dict(scale_factor=2.0, type='Resize'))
resume = False
roi_head = dict(
    bbox_head=dict(
        conv_out_channels=64,
        norm_cfg=dict(requires_grad=True, type='BN'),
        type='Shared4Conv1FCBBoxHead'),
    mask_head=dict(norm_cfg=dict(requires_grad=True, type='BN'), num_convs=4))
rot = [
    dict(prob=0.5, type='RandomFlip'),
    dict(type='RandomRotate90'),
]
stain = [
    dict(prob=0.5, strength=0.2, type='StainJitter'),
    dict(
        brightness_delta=16,
        contrast_range=(
            0.85,
            1.15,
        ),
        hue_delta=5,
        saturation_range=(
            0.85,
            1.15,
        ),
        type='PhotoMetricDistortion'),
]
test_cfg = dict(type='TestLoop')
test_dataloader = dict(
    batch_size=1,
    dataset=dict(
        ann_file='annotations/test.json',
        data_prefix=dict(img=''),
        data_root='data/consep',
        metainfo=dict(
            classes=(
                'other',
                'inflammatory',
                'epithelial',
                'spindle',
            )),
        pipeline=[
            dict(type='LoadTiffImage'),
            dict(scale_factor=1.5, type='Resize'),
            dict(
                meta_keys=(
                    'img_id',
                    'img_path',
                    'ori_shape',
                    'img_shape',
                    'scale_factor',
                ),
                type='PackDetInputs'),
        ],
        test_mode=True,
        type='CellDataset'),
    drop_last=False,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(shuffle=False, type='DefaultSampler'))
test_evaluator = dict(
    ann_file='data/consep/annotations/test.json',
    format_only=True,
    type='CellMetric')
train_cfg = dict(max_epochs=80, type='EpochBasedTrainLoop', val_interval=20)
train_dataloader = dict(
    batch_size=4,
    dataset=dict(
        dataset=dict(
            ann_file='annotations/fold0_train.json',
            data_prefix=dict(img=''),
            data_root='data/consep',
            metainfo=dict(
                classes=(
                    'other',
                    'inflammatory',
                    'epithelial',
                    'spindle',
                )),
            pipeline=[
                dict(type='LoadTiffImage'),
                dict(type='LoadCellAnnotations'),
                dict(
                    allow_negative_crop=True,
                    crop_size=(
                        320,
                        320,
                    ),
                    recompute_bbox=True,
                    type='RandomCrop'),
                dict(
                    ann_file='annotations/fold0_train.json',
                    data_root='data/consep',
                    type='RareClassCopyPaste'),
                dict(
                    transforms=[
                        [
                            dict(scale_factor=1.2, type='Resize'),
                        ],
                        [
                            dict(scale_factor=1.5, type='Resize'),
                        ],
                        [
                            dict(scale_factor=1.875, type='Resize'),
                        ],
                    ],
                    type='RandomChoice'),
                dict(
                    allow_negative_crop=True,
                    crop_size=(
                        256,
                        256,
                    ),
                    recompute_bbox=True,
                    type='RandomCrop'),
                dict(prob=0.5, type='RandomFlip'),
                dict(type='RandomRotate90'),
                dict(
                    keep_empty=False,
                    min_gt_bbox_wh=(
                        1,
                        1,
                    ),
                    type='FilterAnnotations'),
                dict(type='PackDetInputs'),
            ],
            type='CellDataset'),
        type='ClassWeightedDataset',
        weighting='log'),
    num_workers=1,
    persistent_workers=True,
    sampler=dict(num_samples=200, type='WeightedRandomSampler'))
train_pipeline = [
    dict(type='LoadTiffImage'),
    dict(type='LoadCellAnnotations'),
    dict(
        allow_negative_crop=True,
        crop_size=(
            320,
            320,
        ),
        recompute_bbox=True,
        type='RandomCrop'),
    dict(
        ann_file='annotations/fold0_train.json',
        data_root='data/consep',
        type='RareClassCopyPaste'),
    dict(
        transforms=[
            [
                dict(scale_factor=1.2, type='Resize'),
            ],
            [
                dict(scale_factor=1.5, type='Resize'),
            ],
            [
                dict(scale_factor=1.875, type='Resize'),
            ],
        ],
        type='RandomChoice'),
    dict(
        allow_negative_crop=True,
        crop_size=(
            256,
            256,
        ),
        recompute_bbox=True,
        type='RandomCrop'),
    dict(prob=0.5, type='RandomFlip'),
    dict(type='RandomRotate90'),
    dict(keep_empty=False, min_gt_bbox_wh=(
        1,
        1,
    ), type='FilterAnnotations'),
    dict(type='PackDetInputs'),
]
tta = True
tta_model = dict(
    fusion=dict(
        hidden_factor=0.5,
        largest_component=True,
        lift=0.5,
        type='SharedMaskFusion'),
    keep_views=True,
    type='CellTTAModel')
val_cfg = dict(type='ValLoop')
val_dataloader = dict(
    batch_size=1,
    dataset=dict(
        ann_file='annotations/fold0_val.json',
        data_prefix=dict(img=''),
        data_root='data/consep',
        metainfo=dict(
            classes=(
                'other',
                'inflammatory',
                'epithelial',
                'spindle',
            )),
        pipeline=[
            dict(type='LoadTiffImage'),
            dict(scale_factor=1.5, type='Resize'),
            dict(
                meta_keys=(
                    'img_id',
                    'img_path',
                    'ori_shape',
                    'img_shape',
                    'scale_factor',
                ),
                type='PackDetInputs'),
        ],
        test_mode=True,
        type='CellDataset'),
    drop_last=False,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(shuffle=False, type='DefaultSampler'))
val_evaluator = dict(
    ann_file='data/consep/annotations/fold0_val.json', type='CellMetric')
vis_backends = [
    dict(type='LocalVisBackend'),
]
visualizer = dict(
    name='visualizer',
    type='CellVisualizer',
    vis_backends=[
        dict(type='LocalVisBackend'),
    ])
warmup = [
    dict(begin=0, by_epoch=False, end=50, start_factor=0.1, type='LinearLR'),
]
width = 64
