"""Step 32: the model of step 30 tested on four mirrored views, one mask a cell for all its classes."""

_base_ = './s30_scale200_bn-heads.py'
weights = 's30'
tta = True
tta_model = dict(keep_views=True)
