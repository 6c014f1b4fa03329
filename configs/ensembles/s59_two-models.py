"""Step 59: shared mask fusion of the mirrored views of steps 52 and 56, each view a member."""

_base_ = './s29_shared-mask-fusion.py'
out_dir = 'work_dirs/consep/s59_two-models'
names = ['s52_long_roi128_tta-shared', 's56_3000_tta-shared']
members = [
    dict(
        name=f'{name} view {k}',
        results=f'work_dirs/consep/{name}/test-results.view{k}.json',
        oof=f'work_dirs/consep/{name}/val-results.view{k}.json',
        config=f'configs/consep/{name}.py',
    )
    for name in names
    for k in range(4)
]
