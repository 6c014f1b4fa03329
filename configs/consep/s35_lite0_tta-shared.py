"""Step 35: the model of step 34 tested on four mirrored views, one mask a cell for all its classes."""

_base_ = './s34_lite0.py'
weights = 's34'
tta = True
tta_model = dict(keep_views=True)
