from .cell_metric import CellMetric  # registers
