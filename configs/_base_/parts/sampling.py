"""Which images an epoch draws. The class weights of a balanced draw come from the data set's ``weighting``."""

plain_sampler = dict(type='DefaultSampler', shuffle=True)
balanced_sampler = dict(type='WeightedRandomSampler')
