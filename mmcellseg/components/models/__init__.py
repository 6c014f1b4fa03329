from .cell_tta_model import CellTTAModel  # registers
from .chunked_max_iou_assigner import ChunkedMaxIoUAssigner  # registers
from .efficientnet_lite import EfficientNetLite  # registers
from .package_weights import load_from_package  # registers
from .rle_mask_head import RLEMaskHead  # registers
