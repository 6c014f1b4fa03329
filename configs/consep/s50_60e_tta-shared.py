"""Step 50: the model of step 35 tested on four mirrored views, one mask a cell for all its classes."""

_base_ = './s35_60e.py'
weights = 's35'
tta = True
tta_model = dict(keep_views=True)
