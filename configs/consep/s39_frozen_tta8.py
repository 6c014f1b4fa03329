"""Step 39: step 37 with all eight symmetries as views."""

_base_ = './s37_frozen_tta-shared.py'
weights = 's36'
views = [_base_.views.mirrored, _base_.views.transposed, _base_.views.pack]
tta_pipeline = [*_base_.pipelines.s150pct.test[:-1], dict(type='TestTimeAug', transforms=views)]
