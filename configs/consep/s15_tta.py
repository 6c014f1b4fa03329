"""Step 15: the model of step 13 tested on four mirrored views."""

_base_ = './s13_ema_60e.py'
weights = 's13'
tta = True
tta_model = dict(
    fusion=dict(_delete_=True, type='WeightedMaskFusion', class_wise=True, hidden_factor=0.5),
)
