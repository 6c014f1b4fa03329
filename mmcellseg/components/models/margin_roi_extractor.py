"""Features of a region of interest and of what is around it."""

from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from mmdet.registry import MODELS
from torch import Tensor

from .rle_mask_head import enlarge


@MODELS.register_module()
class MarginRoIExtractor(SingleRoIExtractor):
    """SingleRoIExtractor of regions enlarged by ``margin``, for an ``RLEMaskHead`` with the same."""

    def __init__(self, margin: float, **kwargs) -> None:
        super().__init__(**kwargs)
        self.margin = margin

    def forward(self, feats: tuple[Tensor, ...], rois: Tensor, roi_scale_factor: float | None = None) -> Tensor:
        """Features (N, C, h, w) around the regions (N, 5): image, then xyxy."""
        wide = rois.clone()
        wide[:, 1:] = enlarge(rois[:, 1:], self.margin)
        return super().forward(feats, wide, roi_scale_factor)
