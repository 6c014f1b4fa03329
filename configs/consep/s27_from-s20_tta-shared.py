"""Step 27: the model of step 24 tested on four mirrored views, one mask a cell for all its classes."""

_base_ = './s24_from-s20.py'
weights = 's24'
tta = True
tta_model = dict(keep_views=True)
