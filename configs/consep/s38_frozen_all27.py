"""Step 38: step 37 trained on all 27 tiles; its figures and threshold are those of its cross-validation."""

_base_ = './s37_frozen_tta-shared.py'
weights = None
validated_by = 's37_frozen_tta-shared_cv'
all_tiles = 'annotations/train.json'
train_pipeline = [*_base_.train_pipeline]
train_pipeline[3] = dict(train_pipeline[3], ann_file=all_tiles)
train_dataloader = dict(dataset=dict(dataset=dict(ann_file=all_tiles, pipeline=train_pipeline)))
val_dataloader = None
val_evaluator = None
val_cfg = None
train_cfg = dict(_delete_=True, type='EpochBasedTrainLoop', max_epochs=12)
