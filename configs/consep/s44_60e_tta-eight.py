"""Step 44: step 50 with eight views: all symmetries of the square."""

_base_ = './s50_60e_tta-shared.py'
symmetries = [_base_.views.mirrored, _base_.views.transposed, _base_.views.pack]
tta_pipeline = [*_base_.load_test, _base_.resizes.s150pct, dict(type='TestTimeAug', transforms=symmetries)]
