"""Step 53: step 52 with all eight symmetries as views."""

_base_ = './s52_long_roi128_tta-shared.py'
views = [_base_.views.mirrored, _base_.views.transposed, _base_.views.pack]
tta_pipeline = [*_base_.pipelines.s150pct.test[:-1], dict(type='TestTimeAug', transforms=views)]
