from . import transforms  # registers
from .cell_dataset import CellDataset  # registers
from .class_weighted_dataset import ClassWeightedDataset  # registers
from .weighted_random_sampler import InfiniteWeightedRandomSampler, WeightedRandomSampler  # registers
