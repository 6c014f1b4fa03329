"""Test-time augmentation that keeps the masks: views of an image are merged as the members of an ensemble are."""

from collections.abc import Sequence

import numpy as np
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox_flip
from mmdet.structures.mask import encode_mask_results
from mmengine.model import BaseTTAModel
from mmengine.structures import InstanceData

from ...ensemble import build_fusion
from ...ensemble.detections import Detections
from ...structures.point_boxes import with_mask_boxes
from ..box_masks import BoxMasks


def mirrored_views(pipeline: Sequence[dict]) -> list[dict]:
    """A test pipeline that ends in four views of the image: as it is, and mirrored in three ways."""
    *steps, pack = pipeline
    if pack['type'] != 'PackDetInputs':
        raise ValueError(f'--tta: expected a test pipeline that ends in PackDetInputs, found {pack["type"]}')
    # Not 'flip': where MMDetection's cascade finds it, it mirrors the masks itself, and fails.
    keys = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'flip_direction')
    directions = ('horizontal', 'vertical', 'diagonal')
    flips = [{'type': 'RandomFlip', 'prob': 1.0, 'direction': direction} for direction in directions]
    views = [[{'type': 'RandomFlip', 'prob': 0.0}, *flips], [{**pack, 'meta_keys': keys}]]
    return [*steps, {'type': 'TestTimeAug', 'transforms': views}]


def read_view(view: DetDataSample) -> tuple[np.ndarray, np.ndarray, np.ndarray, BoxMasks]:
    """Boxes (N, 4) xyxy, scores, labels and masks that a view predicts, in the frame of the unaugmented image.

    A prediction without a box takes its mask's; one with an empty mask, or a box without width or height, is left
    out. The masks may be RLEs or full-size bitmaps.
    """
    if 'flip_direction' not in view.metainfo:
        raise ValueError(
            "CellTTAModel: expected 'flip_direction' among the meta_keys of PackDetInputs in tta_pipeline, "
            f'found {sorted(view.metainfo)}'
        )
    found, (height, width) = view.pred_instances, view.ori_shape[:2]
    rles = found.masks if isinstance(found.masks, list) else encode_mask_results(found.masks.cpu().numpy())
    masks = BoxMasks.from_rles(rles, height, width)
    boxes = found.bboxes.cpu().double().reshape(-1, 4)
    if view.metainfo.get('transposed'):
        height, width = width, height
        boxes, windows = boxes[:, [1, 0, 3, 2]], [window.T for window in masks.windows()]
        masks = BoxMasks.from_windows(masks.boxes[:, [1, 0, 3, 2]], windows, height, width)
    if view.flip_direction is not None:
        masks = masks.flip(view.flip_direction)
        boxes = bbox_flip(boxes, (height, width), view.flip_direction)
    xyxy, kept = with_mask_boxes(boxes.numpy(), lambda points: masks[points].tight_boxes())
    kept &= masks.areas > 0
    scores, labels = found.scores.cpu().double().numpy(), found.labels.cpu().numpy()
    return xyxy[kept], scores[kept], labels[kept], masks[kept]


@MODELS.register_module()
class CellTTAModel(BaseTTAModel):
    """Predicts each view that ``tta_pipeline`` makes of an image, and merges them with a fusion of the ensembles.

    Views may be mirrored (``RandomFlip``, ``SwapAxes``) and resized. ``tools/test.py --tta`` puts the config's model
    into it.

    Args:
        fusion: Config of the fusion; the views are its members, all of the same weight.
        keep_views: Hand on each view's own predictions as well, as ``views`` of the data sample. ``CellMetric`` writes
            a predictions file for each, and an ensemble may take them as members.
        kwargs: See ``BaseTTAModel``: ``module`` is the config of the detector.
    """

    merges_masks = True

    def __init__(self, fusion: dict | None = None, keep_views: bool = False, **kwargs) -> None:
        super().__init__(**kwargs)
        self.keep_views = keep_views
        self.fusion = build_fusion(fusion or {'type': 'WeightedMaskFusion'})

    @torch.no_grad()
    def test_step(self, data: dict | tuple | list) -> list[DetDataSample]:
        """Merged predictions of a batch; gradients are off, since masks leave torch here."""
        return super().test_step(data)

    def merge_preds(self, data_samples_list: Sequence[Sequence[DetDataSample]]) -> list[DetDataSample]:
        """One data sample an image, with the first view's meta data; masks are RLEs, boxes those of merged masks."""
        for views in data_samples_list:
            for view in views:
                if 'masks' not in view.pred_instances:
                    raise ValueError(
                        'CellTTAModel: expected a detector that predicts masks, found '
                        f'{type(self.module).__name__} with {sorted(view.pred_instances.keys())}; test it without --tta'
                    )
            if views[0].metainfo.get('transposed'):
                raise ValueError('CellTTAModel: expected a first view that is not transposed in tta_pipeline')
        return [self._merge_views(views) for views in data_samples_list]

    def _merge_views(self, views: Sequence[DetDataSample]) -> DetDataSample:
        boxes, scores, labels, masks = (list(column) for column in zip(*map(read_view, views)))
        rles, lengths = [of_view.to_rles() for of_view in masks], [len(s) for s in scores]
        device = views[0].pred_instances.bboxes.device
        out = views[0].new()
        predicted = [len(view.pred_instances) for view in views]
        # For CellMetric, and for the hook that looks at the caps of each view.
        out.set_metainfo({'dropped': sum(predicted) - sum(lengths), 'most_detections': max(predicted)})
        if self.keep_views:
            out.views = [_instances(*of_view, device).to_dict() for of_view in zip(boxes, scores, labels, rles)]
        bboxes = np.concatenate(boxes)
        bboxes[:, 2:] -= bboxes[:, :2]
        detections = Detections(
            *views[0].ori_shape[:2],
            bboxes,
            np.concatenate(scores),
            np.concatenate(labels),
            np.repeat(np.arange(len(views)), lengths),
            np.concatenate([np.arange(n) for n in lengths]),
            [rle for of_view in rles for rle in of_view],
        )
        merged = self.fusion(detections, [f'view {i}' for i in range(len(views))])
        out.pred_instances = _instances(merged.boxes, merged.scores, merged.labels, merged.rles, device)
        return out


def _instances(
    boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray, rles: Sequence[dict], device: torch.device
) -> InstanceData:
    bboxes, confidences = (torch.from_numpy(array).float().to(device) for array in (boxes, scores))
    return InstanceData(bboxes=bboxes, scores=confidences, labels=torch.from_numpy(labels).to(device), masks=list(rles))
