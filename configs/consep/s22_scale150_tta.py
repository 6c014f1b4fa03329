"""Step 22: the model of step 20 tested on four mirrored views."""

_base_ = './s20_scale150.py'
weights = 's20'
tta = True
tta_model = dict(
    fusion=dict(_delete_=True, type='WeightedMaskFusion', class_wise=True, hidden_factor=0.5),
)
