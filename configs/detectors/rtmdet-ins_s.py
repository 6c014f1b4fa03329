"""RTMDet-Ins S: one stage, without proposals."""

_base_ = [
    '../_base_/datasets/cells_holdout.py',
    '../_base_/schedules/adamw-1e-3_cosine.py',
    '../_base_/default_runtime.py',
]
from mmengine.hub import get_config  # noqa: E402 (where it stands first, mmengine takes this file for another kind)

num_classes = 4
# Its COCO data cannot stand beside other bases, so only the model is taken.
model = get_config('mmdet::rtmdet/rtmdet-ins_s_8xb32-300e_coco.py').model
model.data_preprocessor.update(pad_size_divisor=32, pad_mask=True)  # its coarsest stride
# SyncBN wants GPUs; on several of them sync_bn=torch brings it back.
model.backbone.norm_cfg = model.neck.norm_cfg = model.bbox_head.norm_cfg = dict(type='BN')
model.bbox_head.num_classes = num_classes
model.test_cfg.update(nms_pre=5000, max_per_img=1000)  # each a full-size mask: 4 MB on 1,000 × 1,000 px
train_dataloader = _base_.balanced
