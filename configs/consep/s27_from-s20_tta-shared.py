"""Step 27: the model of step 24 tested on four mirrored views, one mask a cell."""

_base_ = './s24_from-s20.py'
tta = True
tta_model = dict(keep_views=True)
