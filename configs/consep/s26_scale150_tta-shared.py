"""Step 26: step 22 with one mask a cell, shared by its classes."""

_base_ = './s20_scale150.py'
tta = True
tta_model = dict(keep_views=True)
