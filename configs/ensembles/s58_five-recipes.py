"""Step 58: shared mask fusion of steps 46 to 50, one view each: what merging models adds on unseen tiles."""

_base_ = './s29_shared-mask-fusion.py'
out_dir = 'work_dirs/consep/s58_five-recipes'
names = ['s46_stain', 's47_scale200', 's48_roi128', 's49_mask56', 's50_cascade']
members = [
    dict(
        name=name,
        results=f'work_dirs/consep/{name}/test-results.json',
        oof=f'work_dirs/consep/{name}/val-results.json',
        config=f'configs/consep/{name}.py',
    )
    for name in names
]
