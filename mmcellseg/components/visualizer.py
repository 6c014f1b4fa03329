"""CellVisualizer: MMDetection's visualizer for images of a thousand cells."""

from functools import wraps

import numpy as np
import torch
from mmdet.registry import VISUALIZERS
from mmdet.structures.mask import PolygonMasks
from mmdet.structures.mask.structures import BaseInstanceMasks
from mmdet.visualization import DetLocalVisualizer
from mmdet.visualization.palette import get_palette
from mmengine.structures import InstanceData

from ..reporting.overlay import draw_contours
from .box_masks import BoxMasks


@VISUALIZERS.register_module()
class CellVisualizer(DetLocalVisualizer):
    """Draws thin contours in the class colours; boxes only for instances that have no masks.

    The stock visualizer stacks masks to N × H × W, cannot read RLEs, and covers small cells with boxes and texts.
    This one takes predicted masks as COCO RLEs or tensors and true ones as any of the mask structures. The order
    of arguments and the other methods are those of :class:`mmdet.visualization.DetLocalVisualizer`.

    Args:
        line_width: Of the contours, in px.
    """

    def __init__(self, name: str = 'visualizer', *args, line_width: int = 1, **kwargs) -> None:
        super().__init__(name, *args, line_width=line_width, **kwargs)

    # MMEngine's visualizers know and draw on the main process alone, but each process tests images of its own.
    dataset_meta = property(lambda self: self._dataset_meta, lambda self, meta: setattr(self, '_dataset_meta', meta))

    @wraps(DetLocalVisualizer.add_datasample)
    def add_datasample(self, *args, **kwargs) -> None:
        DetLocalVisualizer.add_datasample.__wrapped__(self, *args, **kwargs)

    def _draw_instances(
        self, image: np.ndarray, instances: InstanceData, classes: list[str] | None, palette: list[tuple] | None
    ) -> np.ndarray:
        """The image, uint8 (H, W, 3) RGB, with the instances' outlines."""
        if 'scores' in instances:
            instances = instances[torch.argsort(instances.scores, stable=True)]  # the surest lie on top
        labels = instances.labels.cpu().numpy()
        if not len(labels):
            return image
        colours = get_palette(self.mask_color or palette, int(labels.max()) + 1)
        masks = _masks(instances, *image.shape[:2])
        return draw_contours(image, masks, labels, colours, thickness=int(self.line_width))


def _masks(instances: InstanceData, height: int, width: int) -> BoxMasks | list[dict]:
    masks = instances.get('masks')
    if masks is None:
        return _frames(instances.bboxes, height, width)
    if isinstance(masks, PolygonMasks):
        masks = masks.to_bitmap()
    if isinstance(masks, BaseInstanceMasks) and not isinstance(masks, BoxMasks):
        masks = masks.masks
    if isinstance(masks, torch.Tensor):
        masks = masks.cpu().numpy()
    return BoxMasks.from_bitmaps(masks) if isinstance(masks, np.ndarray) else masks


def _frames(bboxes, height: int, width: int) -> BoxMasks:
    """Boxes (N, 4) xyxy as full windows, whose contours are the boxes' frames."""
    corners = getattr(bboxes, 'tensor', bboxes).cpu().numpy().round().astype(int)
    corners = corners.clip(0, [width, height, width, height])
    windows = [np.ones((y1 - y0, x1 - x0), np.uint8) for x0, y0, x1, y1 in corners]
    return BoxMasks.from_windows(corners, windows, height, width)
