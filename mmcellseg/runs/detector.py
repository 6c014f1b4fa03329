"""A trained model, or the members of an ensemble, as a function from tiles to cells."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from mmengine.runner.amp import autocast

from ..components.checkpoint import check_fits
from ..components.config_paths import config_datasets
from ..components.hooks.bfloat16_hook import use_fastest
from ..components.metrics.cell_metric import to_rles
from ..components.models.unwrap import unwrapped
from ..ensemble.detections import Detections
from ..ensemble.fusion import Fusion
from ..evaluation.caps import caps_reached, detection_caps
from ..export.cells import CellClass, Cells, join
from ..slides.stream import Sizes
from ..structures.masks import InstanceMasks
from ..structures.overlaps import mask_iou_pairs
from ..structures.palette import PALETTE, extended
from .launch import set_tta

_SAME_CELL = 0.5


def scale_caps(cfg: Config, factor: float) -> None:
    """Scale the caps on proposals, and upwards those on cells, of a two-stage detector's config, in place.

    A small tile with as many proposals as a whole image keeps more second guesses of the same cells (bPQ 0.38 in place
    of 0.41 on CoNSeP); a large one with no more would lose cells.
    """
    test_cfg = cfg.model.get('test_cfg') or {}
    for stage, keys, by in (('rpn', ('nms_pre', 'max_per_img'), factor), ('rcnn', ('max_per_img',), max(factor, 1))):
        for key in keys:
            if (test_cfg.get(stage) or {}).get(key, 0) > 0:
                test_cfg[stage][key] = max(1, round(test_cfg[stage][key] * by))


def no_cells(size: tuple[int, int], classes: tuple[CellClass, ...]) -> Cells:
    """None at all, of an image of ``size`` (h, w)."""
    masks = InstanceMasks.from_windows(np.zeros((0, 4)), [], *size)
    return Cells(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64), masks, classes)


class Detector:
    """One model with the pipeline and the precision that ``tools/test.py`` tests it with.

    Called with tiles, RGB uint8 (h, w, 3), and the size (h, w) of the region that each shows, it returns the cells of
    each in px of its region, whatever size the tiles themselves have.

    ``cfg`` has been loaded with its custom imports, and is changed in place; with ``tta`` views are merged as it has
    it. Classes and colours come from the checkpoint's meta data. Cells of a score below ``score_thr`` are left out.
    """

    score_thr = 0.0

    def __init__(self, cfg: Config, checkpoint: str, device: str = 'cpu', tta: bool = False) -> None:
        init_default_scope(cfg.get('default_scope', 'mmdet'))
        if tta:
            set_tta(cfg)
        if not (datasets := config_datasets(cfg, 'test')):
            raise ValueError(f'{cfg.filename}: no test_dataloader in the config, whose pipeline images go through')
        load, *steps = (cfg.get('tta_pipeline') if tta else None) or datasets[0]['pipeline']
        if load['type'] not in ('LoadTiffImage', 'LoadImageFromFile'):
            raise ValueError(
                f'{cfg.filename}: expected a test pipeline that begins with LoadTiffImage, found {load["type"]}'
            )
        self.scale, self.page = load.get('scale', 'dtype'), load.get('page', 0)
        self._bgr = load.get('channel_order', 'bgr') == 'bgr'
        self._pipeline = Compose(steps)
        inner = cfg.model.get('module', cfg.model)
        if 'init_cfg' in inner.get('backbone', {}):
            inner.backbone.init_cfg = None  # the checkpoint has all weights
        self._model = revert_sync_batchnorm(MODELS.build(cfg.model))
        detector = unwrapped(self._model)
        check_fits(detector, checkpoint)
        meta = load_checkpoint(detector, checkpoint, map_location='cpu').get('meta', {}).get('dataset_meta', {})
        meta = meta if 'classes' in meta else dict(datasets[0].get('metainfo') or {})
        if 'classes' not in meta:
            raise ValueError(
                f'{checkpoint} does not name its classes: set metainfo=dict(classes=…) in the test data set'
            )
        names = list(meta['classes'])
        colours = extended(meta.get('palette', PALETTE[: len(names)]), len(names))
        self.classes = tuple(CellClass(k, name, colour) for k, (name, colour) in enumerate(zip(names, colours), 1))
        hooks = [*(cfg.get('custom_hooks') or []), *(cfg.get('default_hooks') or {}).values()]
        if any(hook and hook.get('type') == 'BFloat16Hook' for hook in hooks):
            use_fastest(detector, device)
        self.image, self._counts = 'the image', Counter[str]()
        self._caps = detection_caps(getattr(detector, 'test_cfg', None) or {})
        self._fp16 = bool((cfg.get('test_cfg') or {}).get('fp16'))
        self._model.to(device).eval()

    def _pack(self, image: np.ndarray, size: tuple[int, int]) -> dict[str, Any]:
        """Through the pipeline, as if a tile of ``size`` had been resized to the image by it."""
        height, width = image.shape[:2]
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if self._bgr else image
        shape = {'img_shape': (height, width), 'ori_shape': (height, width), 'scale_factor': (1.0, 1.0)}
        packed: dict[str, Any] = self._pipeline({'img': image, 'img_id': 0, 'img_path': '', **shape})
        if (height, width) != size:
            samples = packed['data_samples']
            for sample in samples if isinstance(samples, list) else [samples]:
                x, y = sample.scale_factor
                factor = (x * width / size[1], y * height / size[0])
                sample.set_metainfo({'ori_shape': size, 'scale_factor': factor})
        return packed

    @torch.no_grad()
    def __call__(self, images: Sequence[np.ndarray], sizes: Sizes) -> list[Cells]:
        """The cells of each tile; see the class."""
        data = pseudo_collate([self._pack(image, size) for image, size in zip(images, sizes, strict=True)])
        with autocast(enabled=self._fp16):
            samples = self._model.test_step(data)
        most = max(sample.get('most_detections', len(sample.pred_instances)) for sample in samples)
        self._counts[self.image] = max(self._counts[self.image], most)
        return [self._cells(sample.pred_instances, size) for sample, size in zip(samples, sizes, strict=True)]

    def caps_reached(self) -> list[str]:
        """A message for each cap of the model that a tile reached, with the images (``image`` when they were seen)."""
        return caps_reached(self._counts, self._caps)

    def _cells(self, found: Any, size: tuple[int, int]) -> Cells:
        scores = found.scores.double().cpu().numpy()
        boxes = found.bboxes.double().cpu().numpy().reshape(-1, 4)
        # A box that lies beyond the image's edge is clipped to a line.
        kept = np.flatnonzero((scores >= self.score_thr) & (boxes[:, 2:] > boxes[:, :2]).all(1))
        if not len(kept):
            return no_cells(size, self.classes)
        rles = to_rles(found.masks)
        masks = InstanceMasks.from_rles([rles[k] for k in kept.tolist()], *size)
        labels = found.labels.cpu().numpy()[kept].astype(np.int64) + 1
        cells = Cells(boxes[kept], scores[kept], labels, masks, self.classes)
        return cells[masks.areas > 0]


class FusedDetector:
    """The members of an ensemble, merged on each tile by the ensemble's fusion; called as a ``Detector``.

    A cell's agreement is the share of the members that found it: with a mask of an IoU above 0.5. The members leave no
    score out; merged cells of a score below ``score_thr`` are.
    """

    image, score_thr = 'the image', 0.0

    def __init__(
        self, members: Sequence[Detector], fusion: Fusion, names: Sequence[str], weights: Sequence[float]
    ) -> None:
        self._members, self._fusion, self._names, self._weights = members, fusion, names, weights
        self.classes, self.scale, self.page = members[0].classes, members[0].scale, members[0].page
        for member, name in zip(members, names, strict=True):
            if [c.name for c in member.classes] != [c.name for c in self.classes]:
                raise ValueError(f'member {name!r} has other classes than {names[0]!r}: they cannot be merged')
            if (member.scale, member.page) != (self.scale, self.page):
                raise ValueError(f'member {name!r} reads images by another scale or page than {names[0]!r}')

    def __call__(self, images: Sequence[np.ndarray], sizes: Sizes) -> list[Cells]:
        for member in self._members:
            member.image = self.image
        views = zip(*(member(images, sizes) for member in self._members))
        return [self._merge(found, size) for found, size in zip(views, sizes, strict=True)]

    def caps_reached(self) -> list[str]:
        named = zip(self._names, self._members, strict=True)
        return [f'member {name}: {message}' for name, member in named for message in member.caps_reached()]

    def _merge(self, found: Sequence[Cells], size: tuple[int, int]) -> Cells:
        lengths = [len(cells) for cells in found]
        every = join(found)
        boxes = np.concatenate([every.boxes[:, :2], every.boxes[:, 2:] - every.boxes[:, :2]], axis=1)
        members, indices = np.repeat(np.arange(len(found)), lengths), np.concatenate([np.arange(n) for n in lengths])
        detections = Detections(*size, boxes, every.scores, every.labels, members, indices, every.to_rles())
        merged = self._fusion(detections, self._names, self._weights)
        merged = merged[merged.scores >= self.score_thr]
        masks = InstanceMasks.from_rles(merged.rles, *size)
        cell, voter, iou = mask_iou_pairs(masks, every.masks)
        agree = np.zeros((len(merged), len(found)))
        same = iou > _SAME_CELL
        agree[cell[same], members[voter[same]]] = 1
        cells = Cells(merged.boxes, merged.scores, merged.labels, masks, self.classes, agree.mean(axis=1))
        return cells[masks.areas > 0]
