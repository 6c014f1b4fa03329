"""Step 21: the model of step 19 tested on four mirrored views."""

_base_ = './s19_from-s14.py'
weights = 's19'
tta = True
tta_model = dict(
    fusion=dict(_delete_=True, type='WeightedMaskFusion', class_wise=True, hidden_factor=0.5),
)
