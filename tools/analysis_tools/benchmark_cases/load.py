"""Loading the annotations of a dense image and cropping 512 px: LoadCellAnnotations and LoadAnnotations."""

from pathlib import Path

import numpy as np
from mmdet.datasets.transforms import LoadAnnotations, RandomCrop

from mmcellseg.components.box_masks import BoxMasks
from mmcellseg.components.transforms.load_cell_annotations import LoadCellAnnotations

from .cells import coco_columns, dense_cells
from .measure import Cost, measure, row

CROP = 512


def _sample(masks: BoxMasks) -> dict:
    """What CocoDataset hands to a pipeline, and the image."""
    rles = coco_columns(masks)[1]
    instances = [
        {'bbox': box, 'bbox_label': 0, 'ignore_flag': 0, 'mask': rle}
        for box, rle in zip(masks.tight_boxes().tolist(), rles)
    ]
    size = (masks.height, masks.width)
    return {'img': np.zeros((*size, 3), np.uint8), 'img_shape': size, 'ori_shape': size, 'instances': instances}


def _cost(load: LoadAnnotations, masks: BoxMasks, repeats: int) -> Cost:
    crop = RandomCrop(crop_size=(CROP, CROP), allow_negative_crop=True)

    def call(sample: dict) -> dict:
        np.random.seed(0)
        return crop(load(dict(sample)))

    return measure(lambda: _sample(masks), call, repeats)


def run(data: Path | None, quick: bool) -> list[dict]:
    name, masks = dense_cells(data, quick)
    what = f'load {len(masks)} cells of {name} ({masks.width}×{masks.height} px), crop {CROP} px'
    ours = _cost(LoadCellAnnotations(), masks, repeats=20)
    return [row(what, ours, _cost(LoadAnnotations(with_mask=True), masks, repeats=1 if quick else 2))]
