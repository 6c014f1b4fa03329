"""Step 44: the model of step 43 tested on four mirrored views, one mask a cell for all its classes."""

_base_ = './s43_long.py'
weights = 's43'
tta = True
tta_model = dict(keep_views=True)
