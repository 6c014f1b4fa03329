"""Step 52: the model of step 51 tested on four mirrored views, one mask a cell for all its classes."""

_base_ = './s51_long_roi128.py'
weights = 's51'
tta = True
tta_model = dict(keep_views=True)
