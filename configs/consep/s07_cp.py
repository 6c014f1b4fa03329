"""Step 7: cells of rare classes are pasted in."""

_base_ = './s06_stain.py'
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=_base_.histology.c256)))
