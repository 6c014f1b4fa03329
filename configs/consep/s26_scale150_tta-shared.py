"""Step 26: the model of step 20 tested on four mirrored views, one mask a cell for all its classes."""

_base_ = './s20_scale150.py'
weights = 's20'
tta = True
tta_model = dict(keep_views=True)
