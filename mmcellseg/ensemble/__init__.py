from .nms_fusion import NMSFusion  # registers
from .shared_mask_fusion import SharedMaskFusion  # registers
from .weighted_mask_fusion import WeightedMaskFusion  # registers
