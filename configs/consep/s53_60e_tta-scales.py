"""Step 53: step 50 with eight views: mirrored in four ways, at one and a half times and twice the size."""

_base_ = './s50_60e_tta-shared.py'
sizes = [_base_.resizes.s150pct, _base_.resizes.s200pct]
axes = [sizes, _base_.views.mirrored, _base_.views.pack]
tta_pipeline = [*_base_.load_test, dict(type='TestTimeAug', transforms=axes)]
