from . import cell_dataset, class_weighted_dataset
