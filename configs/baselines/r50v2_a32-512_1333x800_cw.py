"""Published, 0.3519 AP50 on the board: the step recipe with torchvision's sizes and caps."""

_base_ = './r50v2_a32-512_cw.py'
model = dict(
    train_cfg=dict(rpn_proposal=_base_.caps.rpn1k_det100.rpn_train),
    test_cfg=dict(rpn=_base_.caps.rpn1k_det100.rpn, rcnn=_base_.caps.rpn1k_det100.rcnn),
)
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=_base_.pipelines.s1333x800.train)))
val_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s1333x800.test))
test_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s1333x800.test))
