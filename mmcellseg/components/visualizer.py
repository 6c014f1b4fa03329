"""CellVisualizer: MMDetection's visualizer for images of a thousand cells."""

from functools import wraps

import numpy as np
import torch
from mmdet.registry import VISUALIZERS
from mmdet.visualization import DetLocalVisualizer
from mmdet.visualization.palette import get_palette
from mmengine.structures import InstanceData

from ..ensemble.fusion import hidden_by_better
from ..reporting.overlay import draw_overlay
from .box_masks import BoxMasks


@VISUALIZERS.register_module()
class CellVisualizer(DetLocalVisualizer):
    """Draws one contour a cell in the colour of its class, and the classes below; without masks as stock does.

    The stock visualizer stacks masks to N × H × W, cannot read RLEs, and covers small cells with boxes and texts.
    This one takes masks in any form. Of predictions that lie under better ones, as second guesses of a cell's class
    do, none is drawn. A tiny image is enlarged, and lines scale with the image where no ``line_width`` in px is given,
    see :func:`~mmcellseg.reporting.overlay.draw_overlay`.
    """

    def __init__(self, name: str = 'visualizer', *args, line_width: int | None = None, **kwargs) -> None:
        super().__init__(name, *args, line_width=line_width, **kwargs)

    # MMEngine's visualizers know and draw on the main process alone, but each process tests images of its own.
    dataset_meta = property(lambda self: self._dataset_meta, lambda self, meta: setattr(self, '_dataset_meta', meta))

    @wraps(DetLocalVisualizer.add_datasample)
    def add_datasample(
        self, name, image, data_sample=None, draw_gt: bool = True, draw_pred: bool = True, *args, **kwargs
    ) -> None:
        # Stock puts the bare image, of another height, where instances are asked for and are not there.
        found = data_sample if data_sample is not None else ()
        shown = draw_gt and 'gt_instances' in found, draw_pred and 'pred_instances' in found
        DetLocalVisualizer.add_datasample.__wrapped__(self, name, image, data_sample, *shown, *args, **kwargs)

    def _draw_instances(
        self, image: np.ndarray, instances: InstanceData, classes: list[str] | None, palette: list[tuple] | None
    ) -> np.ndarray:
        """The image, uint8 (H, W, 3) RGB, with the instances' outlines and the legend."""
        if 'masks' not in instances:
            return super()._draw_instances(image, instances, classes, palette)
        labels, masks = _array(instances.labels), BoxMasks.of(instances.masks, *image.shape[:2])
        if 'scores' in instances:
            order = np.argsort(-_array(instances.scores), kind='stable')
            order = order[~hidden_by_better(masks[order])]
            masks, labels = masks[order[::-1]], labels[order[::-1]]  # the most confident on top
        names = list(classes or ())
        colours = get_palette(self.mask_color or palette, max(len(names), int(labels.max(initial=0)) + 1))
        return draw_overlay(image, masks, labels, colours, names, self.line_width)


def _array(values: torch.Tensor | np.ndarray) -> np.ndarray:
    return values.cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
