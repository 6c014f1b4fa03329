from .chunked_max_iou_assigner import ChunkedMaxIoUAssigner  # registers
from .rle_mask_head import RLEMaskHead  # registers
