"""torchvision's ``maskrcnn_resnet50_fpn_v2``, after arXiv 2111.11429.

Batch norm in FPN, box and mask head, two RPN convolutions, a box head of four convolutions, RoIAlign and box losses
as torchvision sets them. The published text speaks of FrozenBatchNorm, but torchvision's own count of trainable
parameters holds only if the backbone's batch norm has a trainable affine, so it has one here and is not in eval mode.
"""

_base_ = './mask-rcnn_r50_fpn.py'
norm_cfg = dict(type='BN', requires_grad=True)
box_loss = dict(type='SmoothL1Loss', beta=1 / 9, loss_weight=1.0)
roi_layer = dict(sampling_ratio=2, aligned=False)

model = dict(
    backbone=dict(
        norm_eval=False,
        init_cfg=dict(checkpoint='https://download.pytorch.org/models/resnet50-11ad3fa6.pth'),
    ),
    neck=dict(norm_cfg=norm_cfg),
    rpn_head=dict(num_convs=2, loss_bbox=box_loss),
    roi_head=dict(
        bbox_roi_extractor=dict(roi_layer=roi_layer),
        bbox_head=dict(type='Shared4Conv1FCBBoxHead', norm_cfg=norm_cfg, loss_bbox=box_loss),
        mask_roi_extractor=dict(roi_layer=roi_layer),
        mask_head=dict(norm_cfg=norm_cfg),
    ),
)
