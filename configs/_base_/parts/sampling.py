"""Which images training draws, and how often.

The balanced form needs the data set wrapped: ``dict(type='ClassWeightedDataset', dataset=_base_.train_dataset)``.
"""

plain_sampler = dict(type='DefaultSampler', shuffle=True)
balanced_sampler = dict(type='WeightedRandomSampler')
