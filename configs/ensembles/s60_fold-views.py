"""Step 60: shared mask fusion of the views of step 44's folds; a labelled tile by the model new to it."""

_base_ = './s29_shared-mask-fusion.py'
out_dir = 'work_dirs/consep/s60_fold-views'
cv = 'work_dirs/consep/s44_long_tta-shared_cv'
oof_ann_file = f'{cv}/oof-images.json'
members = [
    dict(
        name=f'fold {k} view {v}',
        results=f'{cv}/fold{k}/test-results.view{v}.json',
        oof=f'{cv}/oof-results.view{v}.json',
        config='configs/consep/s44_long_tta-shared.py',
    )
    for k in range(5)
    for v in range(4)
]
