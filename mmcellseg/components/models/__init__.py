from .cell_tta_model import CellTTAModel  # registers
from .chunked_max_iou_assigner import ChunkedMaxIoUAssigner  # registers
from .rle_mask_head import RLEMaskHead  # registers
