"""Published, 0.37 AP50 on the board: ResNeXt-50 from ImageNet weights.

The anchors are not stated: they are torchvision's.
"""

_base_ = './x50_a32-512_all.py'
model = dict(
    train_cfg=dict(rpn_proposal=_base_.caps.rpn1k_det100.rpn_train),
    test_cfg=dict(rpn=_base_.caps.rpn1k_det100.rpn, rcnn=_base_.caps.rpn1k_det100.rcnn),
)
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=_base_.pipelines.s1333x800.train)))
test_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s1333x800.test))
