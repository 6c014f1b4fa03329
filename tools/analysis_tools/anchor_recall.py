#!/usr/bin/env python3
"""Print how well a config's anchors cover the cells of its training data, by cell size, and which would.

    python tools/analysis_tools/anchor_recall.py CONFIG [--ann data/cells/annotations/train.json]

Boxes are resized as the config's test pipeline resizes its images. A side is the square root of a box's area, in px
of the network's input. Recall is the share of the cells with which some anchor has at least that IoU. The ready-made
set that fits best is one of configs/_base_/parts/anchors.py; the anchors to try are searched for these cells.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from mmcv.image import rescale_size
from mmengine.config import Config

from mmcellseg.evaluation.anchor_recall import (
    IOU_THRESHOLDS,
    Suggestion,
    best_ious,
    best_named,
    make_anchors,
    ratio_quantiles,
    recall_by_side,
    suggest,
)

PARTS = Path(__file__).resolve().parents[2] / 'configs' / '_base_' / 'parts' / 'anchors.py'


def resized(size: tuple[int, int], pipeline: list[dict]) -> tuple[int, int]:
    """Width and height of an image after the pipeline's Resize, if it has one."""
    for step in pipeline:
        if step['type'] == 'Resize' and step.get('scale_factor') is not None:
            size = rescale_size(size, step['scale_factor'])
        elif step['type'] == 'Resize':
            size = rescale_size(size, tuple(step['scale'])) if step.get('keep_ratio') else tuple(step['scale'])
    return size


def read_boxes(path: Path, pipeline: list[dict], divisor: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (N, 4) xyxy and their images' padded sizes (N, 2), in px of the network's input."""
    coco = json.loads(path.read_text())
    old = {image['id']: (image['width'], image['height']) for image in coco['images']}
    new = {i: resized(size, pipeline) for i, size in old.items()}
    cells = [a for a in coco.get('annotations', []) if not a.get('iscrowd', 0) and min(a['bbox'][2:]) > 0]
    if not cells:
        raise SystemExit(f'{path}: no annotations to measure anchors with')
    xywh = np.array([a['bbox'] for a in cells], dtype=np.float64)
    seen = np.array([new[a['image_id']] for a in cells], dtype=np.float64)
    factor = seen / np.array([old[a['image_id']] for a in cells])
    boxes = np.concatenate([xywh[:, :2] * factor, (xywh[:, :2] + xywh[:, 2:]) * factor], axis=1)
    return boxes, np.ceil(seen / divisor) * divisor


def told(found: Suggestion) -> str:
    """The figures of a set."""
    recalls = ', '.join(f'{r:.3f}@{t}' for r, t in zip(found.recall, IOU_THRESHOLDS, strict=True))
    return f'recall {recalls}, mean IoU {found.mean_iou:.3f}'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', type=Path)
    parser.add_argument('--ann', type=Path, help="COCO json; default: the config's training data")
    args = parser.parse_args()

    if not args.config.is_file():
        raise SystemExit(f'{args.config}: there is no such config')
    cfg = Config.fromfile(args.config)
    if 'train_dataloader' not in cfg or 'rpn_head' not in cfg.get('model', {}):
        raise SystemExit(f'{args.config}: expected the config of a model with an rpn_head and its data')
    dataset = cfg.train_dataloader.dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    ann = args.ann or Path(dataset.data_root, dataset.ann_file)
    if not ann.is_file():
        raise SystemExit(f'{ann}: there is no such annotation file; give one with --ann')
    generator = cfg.model.rpn_head.anchor_generator
    if generator.type != 'AnchorGenerator' or 'scales' not in generator:
        raise SystemExit(f'{args.config}: anchors of an AnchorGenerator with scales are expected, found {generator}')
    pipeline = cfg.test_dataloader.dataset.pipeline
    try:
        boxes, sizes = read_boxes(ann, pipeline, cfg.model.data_preprocessor.pad_size_divisor)
    except (KeyError, TypeError, ValueError) as error:
        raise SystemExit(f'{ann}: not a COCO annotation file ({type(error).__name__}: {error})') from error
    ious = best_ious(boxes, sizes, make_anchors(generator.scales, generator.ratios, generator.strides))

    low, high = (pick(generator.scales) * pick(generator.strides) for pick in (min, max))
    print(f'{args.config}: anchors of {low:g} to {high:g} px, ratios {generator.ratios}; {len(ious):,} cells of {ann}')
    thresholds = ''.join(f'{f"recall@{t}":>12}' for t in IOU_THRESHOLDS)
    print(f'{"side px":>8}{"cells":>9}{thresholds}{"mean IoU":>12}')
    for band, count, recall, mean in recall_by_side(boxes, ious):
        print(f'{band:>8}{count:>9,}' + ''.join(f'{r:>12.3f}' for r in (*recall, mean)))
    ready = best_named(boxes, sizes, generator.strides, Config.fromfile(PARTS).anchors)
    if ready:
        used = ' (the one in use)' if ready[1][:2] == (generator.scales, generator.ratios) else ''
        print(f'best ready-made set{used}:\n  anchor_generator=_base_.anchors.{ready[0]}: {told(ready[1])}')
    print('to try, best mean IoU with one and with two scales a level:')
    for found in suggest(boxes, sizes, generator.strides, ([0.5, 1.0, 2.0], ratio_quantiles(boxes))):
        print(f'  scales={found.scales}, ratios={found.ratios}: {told(found)}')


if __name__ == '__main__':
    main()
