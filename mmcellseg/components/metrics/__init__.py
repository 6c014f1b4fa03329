from . import cell_metric
