from .nms_fusion import NMSFusion  # registers
from .weighted_mask_fusion import WeightedMaskFusion  # registers
