"""Step 63: the model of step 62 tested on four mirrored views, one mask a cell for all its classes."""

_base_ = './s62_from-s43.py'
weights = 's62'
tta = True
tta_model = dict(keep_views=True)
