"""Loading the annotations of a dense image and cropping 512 px: LoadCellAnnotations and LoadAnnotations."""

from pathlib import Path

import numpy as np
from mmdet.datasets.transforms import LoadAnnotations, RandomCrop

from mmcellseg.components.box_masks import BoxMasks
from mmcellseg.components.transforms.load_cell_annotations import LoadCellAnnotations

from .assign import densest_tile, random_cells, tile_cells
from .measure import compare, measure

CROP = 512


def ellipses(boxes: np.ndarray, height: int, width: int) -> BoxMasks:
    """A filled ellipse in each box (N, 4) xyxy."""
    corners = np.concatenate([np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:])], axis=1).astype(int)
    windows = []
    for (x1, y1, x2, y2), (a, b, c, d) in zip(boxes.tolist(), corners.tolist()):
        y, x = np.ogrid[b + 0.5 : d + 0.5, a + 0.5 : c + 0.5]
        across, down = (2 * x - x1 - x2) / (x2 - x1), (2 * y - y1 - y2) / (y2 - y1)
        windows.append((across**2 + down**2 <= 1).astype(np.uint8))
    return BoxMasks.from_windows(corners, windows, height, width)


def dense_cells(data: Path | None, quick: bool) -> tuple[str, BoxMasks]:
    """Where the cells are from, and the cells: of the densest tile of ``data``, or 850 on 1000×1000 px."""
    if data is not None:
        tile = densest_tile(data)
        return tile.name, tile_cells(tile)[0]
    size, number = (600, 60) if quick else (1000, 850)
    return 'synthetic', ellipses(random_cells(number, size, size), size, size)


def _sample(masks: BoxMasks) -> dict:
    """What CocoDataset hands to a pipeline, and the image."""
    instances = [
        {
            'bbox': box,
            'bbox_label': 0,
            'ignore_flag': 0,
            'mask': {'size': rle['size'], 'counts': rle['counts'].decode()},
        }
        for box, rle in zip(masks.tight_boxes().tolist(), masks.to_rles())
    ]
    size = (masks.height, masks.width)
    return {'img': np.zeros((*size, 3), np.uint8), 'img_shape': size, 'ori_shape': size, 'instances': instances}


def _cost(load: LoadAnnotations, masks: BoxMasks, repeats: int):
    crop = RandomCrop(crop_size=(CROP, CROP), allow_negative_crop=True)

    def call(sample):
        np.random.seed(0)
        return crop(load(dict(sample)))

    return measure(lambda: _sample(masks), call, repeats)


def run(data: Path | None, quick: bool) -> list[dict]:
    name, masks = dense_cells(data, quick)
    what = f'load {len(masks)} cells of {name} ({masks.width}×{masks.height} px), crop {CROP} px'
    ours = _cost(LoadCellAnnotations(), masks, repeats=20)
    stock = _cost(LoadAnnotations(with_mask=True), masks, repeats=1 if quick else 2)
    return [compare(what, ours, stock)]
