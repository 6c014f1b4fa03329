"""Step 28: the model of step 25 tested on four mirrored views, one mask a cell for all its classes."""

_base_ = './s25_scale200.py'
weights = 's25'
tta = True
tta_model = dict(keep_views=True)
