#!/usr/bin/env python3
"""Print the class balance of an annotation file: instances, images, weights and expected shares, plain and balanced.

python tools/analysis_tools/class_balance.py data/cells/annotations/train.json [--weighting log] [--by class]
"""

import argparse
import sys
from pathlib import Path

from mmcellseg.data.class_weights import (
    IMAGE_WEIGHTINGS,
    WEIGHTINGS,
    class_weights,
    exposure_table,
    image_weights,
)
from mmcellseg.data.split import image_class_counts
from mmcellseg.structures.coco import read_coco


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
        coco = read_coco(args.ann)
    except (OSError, ValueError) as error:
        sys.exit(f'class_balance: {error}')
    cells = [annotation for annotation in coco.get('annotations') or () if not annotation.get('iscrowd', 0)]
    _, counts = image_class_counts({**coco, 'annotations': cells})
    weights = class_weights(counts.sum(0), args.weighting)
    names = [category['name'] for category in coco['categories']]
    print(exposure_table(names, counts, weights, image_weights(counts, weights, args.by)))


if __name__ == '__main__':
    main()
