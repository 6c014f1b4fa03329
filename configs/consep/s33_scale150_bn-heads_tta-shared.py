"""Step 33: the model of step 31, the same."""

_base_ = './s31_scale150_bn-heads.py'
tta = True
tta_model = dict(keep_views=True)
