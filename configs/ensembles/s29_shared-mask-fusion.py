"""Step 29: shared mask fusion of the mirrored views of 26 and 28, each view a member."""

_base_ = './s18_mask-fusion.py'
out_dir = 'work_dirs/consep/s29_shared-mask-fusion'
steps = [_base_.candidates[name] for name in ('s26', 's28')]
members = [
    dict(
        name=f'{step["name"]} view {k}',
        results=step['results'].replace('.json', f'.view{k}.json'),
        oof=step['oof'].replace('.json', f'.view{k}.json'),
        config=step['config'],
    )
    for step in steps
    for k in range(4)
]
fusion = dict(_delete_=True, type='SharedMaskFusion', lift=0.5, hidden_factor=0.5, largest_component=True)
