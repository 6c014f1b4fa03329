"""Step 28: the model of step 25, the same."""

_base_ = './s25_scale200.py'
tta = True
tta_model = dict(keep_views=True)
