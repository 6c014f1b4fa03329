#!/usr/bin/env python3
"""Print how well a config's anchors cover the cells of its training data, by cell size, and which would.

    python tools/analysis_tools/anchor_recall.py CONFIG [--ann data/cells/annotations/train.json]

Boxes are resized as the config's test pipeline resizes its images. A side is the square root of a box's area, in px
of the network's input. Recall is the share of the cells with which some anchor has at least that IoU. The ready-made
set that fits best is one of configs/_base_/parts/anchors.py; the anchors to try are searched for these cells.
"""

import argparse
from pathlib import Path

from mmengine.config import Config

from mmcellseg.evaluation.anchor_recall import (
    IOU_THRESHOLDS,
    Suggestion,
    best_ious,
    best_named,
    boxes_as_seen,
    make_anchors,
    ratio_quantiles,
    recall_by_side,
    suggest,
)
from mmcellseg.structures.coco import read_coco

PARTS = Path(__file__).resolve().parents[2] / 'configs' / '_base_' / 'parts' / 'anchors.py'


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
    generator = cfg.model.rpn_head.anchor_generator
    if generator.type != 'AnchorGenerator' or 'scales' not in generator:
        raise SystemExit(f'{args.config}: anchors of an AnchorGenerator with scales are expected, found {generator}')
    pipeline = cfg.test_dataloader.dataset.pipeline
    try:
        boxes, sizes = boxes_as_seen(read_coco(ann, cells=True), pipeline, cfg.model.data_preprocessor.pad_size_divisor)
    except ValueError as error:
        raise SystemExit(f'{error} (give another file with --ann)') from error
    if not len(boxes):
        raise SystemExit(f'{ann}: no annotations to measure anchors with')
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
