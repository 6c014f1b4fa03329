"""Step 37: the model of step 36 tested on four mirrored views, one mask a cell for all its classes."""

_base_ = './s36_frozen.py'
weights = 's36'
tta = True
tta_model = dict(keep_views=True)
