"""Published, 0.3741 AP50 on the board: the step recipe with anchors of 8 to 128 px."""

_base_ = './r50v2_a8-128_cw.py'
model = dict(
    train_cfg=dict(rpn_proposal=_base_.caps.rpn1k_det100.rpn_train),
    test_cfg=dict(rpn=_base_.caps.rpn1k_det100.rpn, rcnn=_base_.caps.rpn1k_det100.rcnn),
)
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=_base_.pipelines.s1333x800.train)))
val_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s1333x800.test))
test_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s1333x800.test))
