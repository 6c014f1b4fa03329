"""Step 54: step 52 with views of two sizes, one and a quarter and one and three quarters, mirrored in two ways each."""

_base_ = './s52_long_roi128_tta-shared.py'
sizes = [dict(type='Resize', scale_factor=factor) for factor in (1.25, 1.75)]
turned = [_base_.views.mirrored[0], _base_.views.mirrored[3]]
tta_pipeline = [
    *_base_.pipelines.s150pct.test[:1],
    dict(type='TestTimeAug', transforms=[sizes, turned, _base_.views.pack]),
]
