#!/usr/bin/env python3
"""Print the class balance of an annotation file: instances, images, weights and expected shares, plain and balanced.

python tools/analysis_tools/class_balance.py data/cells/annotations/train.json [--weighting log] [--by class]
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from mmcellseg.data.class_weights import (
    IMAGE_WEIGHTINGS,
    WEIGHTINGS,
    class_weights,
    exposure_table,
    image_weights,
)


def parse_args() -> argparse.Namespace:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument('ann', type=Path, help='COCO json')
    parser.add_argument('--weighting', choices=WEIGHTINGS, default='log')
    parser.add_argument('--by', choices=IMAGE_WEIGHTINGS, default='class')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    try:
        coco = json.loads(args.ann.read_text())
        row = {image['id']: i for i, image in enumerate(coco['images'])}
        column = {category['id']: i for i, category in enumerate(coco['categories'])}
        counts = np.zeros((len(row), len(column)), dtype=np.int64)
        for annotation in coco['annotations']:
            if not annotation.get('iscrowd', 0):
                counts[row[annotation['image_id']], column[annotation['category_id']]] += 1
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f'{args.ann}: not a COCO annotation file ({type(error).__name__}: {error})')
    weights = class_weights(counts.sum(0), args.weighting)
    names = [category['name'] for category in coco['categories']]
    print(exposure_table(names, counts, weights, image_weights(counts, weights, args.by)))


if __name__ == '__main__':
    main()
