"""Mask2Former R50: 300 queries an image, each a full-size mask in training and test."""

_base_ = [
    '../_base_/datasets/cells_holdout.py',
    '../_base_/schedules/adamw-1e-4_cosine.py',
    '../_base_/default_runtime.py',
]
from mmengine.hub import get_config  # noqa: E402 (where it stands first, mmengine takes this file for another kind)

num_classes = 4
# Its COCO data cannot stand beside other bases, so only the model is taken.
model = get_config('mmdet::mask2former/mask2former_r50_8xb2-lsj-50e_coco.py').model
model.data_preprocessor.batch_augments = None  # pads every crop to 1024 px
model.panoptic_head.update(num_things_classes=num_classes, num_queries=300)
model.panoptic_head.loss_cls.class_weight = [1.0] * num_classes + [0.1]
model.panoptic_fusion_head.num_things_classes = num_classes
model.test_cfg.update(panoptic_on=False, max_per_image=300)
backbone_rate = dict(custom_keys=dict(backbone=dict(lr_mult=0.1)))
optim_wrapper = dict(clip_grad=dict(max_norm=0.01), paramwise_cfg=backbone_rate)
train_dataloader = dict(_base_.balanced, batch_size=2)
