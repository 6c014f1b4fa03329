"""Step 33: the model of step 31 tested on four mirrored views, one mask a cell for all its classes."""

_base_ = './s31_scale150_bn-heads.py'
weights = 's31'
tta = True
tta_model = dict(keep_views=True)
