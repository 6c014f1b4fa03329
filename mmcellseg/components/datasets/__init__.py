from .cell_dataset import CellDataset  # registers
from .class_weighted_dataset import ClassWeightedDataset  # registers
