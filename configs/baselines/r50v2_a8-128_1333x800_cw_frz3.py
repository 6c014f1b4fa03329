"""Published: r50v2_a8-128_1333x800_cw with the first three stages of the backbone frozen."""

_base_ = './r50v2_a8-128_cw_frz3.py'
model = dict(
    train_cfg=dict(rpn_proposal=_base_.caps.rpn1k_det100.rpn_train),
    test_cfg=dict(rpn=_base_.caps.rpn1k_det100.rpn, rcnn=_base_.caps.rpn1k_det100.rcnn),
)
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=_base_.pipelines.s1333x800.train)))
val_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s1333x800.test))
test_dataloader = dict(dataset=dict(pipeline=_base_.pipelines.s1333x800.test))
