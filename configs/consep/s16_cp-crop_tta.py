"""Step 16: the model of step 14 tested on four mirrored views."""

_base_ = './s14_cp-crop.py'
weights = 's14'
tta = True
tta_model = dict(
    fusion=dict(_delete_=True, type='WeightedMaskFusion', class_wise=True, hidden_factor=0.5),
)
