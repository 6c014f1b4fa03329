"""Step 53: step 50 with eight views: mirrored in four ways, at one and a half times and twice the size."""

_base_ = './s50_60e_tta-shared.py'
mirrored = [dict(type='RandomFlip', prob=1.0, direction=way) for way in ('horizontal', 'vertical', 'diagonal')]
meta_keys = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'flip_direction')
views = [
    [_base_.resizes.s150pct, _base_.resizes.s200pct],
    [dict(type='RandomFlip', prob=0.0), *mirrored],
    [dict(type='PackDetInputs', meta_keys=meta_keys)],
]
tta_pipeline = [*_base_.load_test, dict(type='TestTimeAug', transforms=views)]
