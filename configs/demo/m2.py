"""Second member of the quickstart: larger anchors, a balanced draw, more RoIs, another NMS, another seed."""

_base_ = './m1.py'
model = dict(
    rpn_head=dict(anchor_generator=_base_.anchors.a16_256),
    train_cfg=dict(rcnn=dict(sampler=dict(num=96))),
    test_cfg=dict(rcnn=dict(nms=dict(iou_threshold=0.4))),
)
train_dataloader = _base_.balanced
randomness = dict(seed=1)
