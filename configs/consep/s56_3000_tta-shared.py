"""Step 56: the model of step 55 tested on four mirrored views, one mask a cell for all its classes."""

_base_ = './s55_3000.py'
weights = 's55'
tta = True
tta_model = dict(keep_views=True)
