from .weighted_random_sampler import InfiniteWeightedRandomSampler, WeightedRandomSampler  # registers
