"""Which images an epoch draws: each alike, or with ``train_dataloader = _base_.balanced`` rare classes more often.

``ClassWeightedDataset`` weights the images by ``weighting``, and ``WeightedRandomSampler`` draws by these weights.
"""

balanced = dict(sampler=dict(type='WeightedRandomSampler'), dataset=dict(weighting='log'))
