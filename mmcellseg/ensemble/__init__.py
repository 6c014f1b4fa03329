"""Merging the predictions of members, views and tiles."""

from .fusion import Fusion, build_fusion
from .nms_fusion import NMSFusion
from .shared_mask_fusion import SharedMaskFusion
from .weighted_mask_fusion import WeightedMaskFusion

__all__ = ['Fusion', 'NMSFusion', 'SharedMaskFusion', 'WeightedMaskFusion', 'build_fusion']
