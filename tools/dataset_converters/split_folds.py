#!/usr/bin/env python3
"""Split an annotation file into folds for cross-validation, written once as json.

    python tools/dataset_converters/split_folds.py data/cells/annotations/train.json data/cells/annotations

Writes OUT/fold0_train.json, OUT/fold0_val.json, … and OUT/folds.json, {"file_name": fold, …}. Given to --folds, such
a folds.json brings the same folds back. Images of one group (a patient, a slide) never lie on both sides of a fold:

    --groups FILE   a json {"file_name": "group", …} or a csv of file_name,group
    --groups auto   images that overlap or adjoin are grouped, and the groups are printed
"""

import argparse
import sys
from pathlib import Path

from mmcellseg.data.class_weights import text_table
from mmcellseg.data.folds import read_folds, read_groups, split_folds, write_folds
from mmcellseg.data.same_tissue import tissue_groups
from mmcellseg.data.split import image_class_counts
from mmcellseg.structures.coco import read_coco


def parse_args() -> argparse.Namespace:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument('ann', type=Path, help='COCO json of the labelled images')
    parser.add_argument('out', type=Path, help='folder for the folds, usually that of ANN')
    parser.add_argument('--folds', default='5', help='how many, or a folds.json (default: %(default)s)')
    parser.add_argument('--groups', default=None, help='a file, or auto; default: every image is a group')
    parser.add_argument('--images', type=Path, help='folder of the images for --groups auto; default: OUT/..')
    return parser.parse_args()


def folds_of(args: argparse.Namespace, coco: dict) -> dict[int, int]:
    """The fold of each image id, drawn or read."""
    images = sorted(coco['images'], key=lambda image: image['id'])
    nameless = [image['id'] for image in images if not isinstance(image.get('file_name'), str)]
    if nameless:
        raise ValueError(f'{args.ann}: the images with these ids have no file_name: {nameless[:10]}')
    if not args.folds.isdecimal():
        if args.groups is not None:
            raise ValueError(f'{args.folds}: folds that are read have no use for --groups {args.groups}')
        return read_folds(args.folds, coco)
    if int(args.folds) > len(images):
        raise ValueError(f'{args.ann}: {args.folds} folds of {len(images)} images')
    return split_folds(coco, groups_of(args, [image['file_name'] for image in images]), int(args.folds))


def groups_of(args: argparse.Namespace, names: list[str]) -> list[str]:
    """The group of each image."""
    if args.groups is None:
        print('Every image is taken as a slide of its own: images of one patient in two folds make scores too good.')
        return names
    if args.groups != 'auto':
        return read_groups(args.groups, names)
    folder = args.images or args.out.parent
    if not (folder / names[0]).is_file():
        raise FileNotFoundError(f'{folder / names[0]} is not there: name the folder of the images with --images')
    groups = tissue_groups([folder / name for name in names])
    members: dict[str, list[str]] = {}
    for name, group in zip(names, groups):
        members.setdefault(group, []).append(name)
    print(f'{len(names)} images, of which some overlap or adjoin, make {len(members)} groups.')
    print('Crops that lie apart on a slide are not recognised: name slides or patients in a file if you know them.')
    for group, inside in members.items():
        if len(inside) > 1:
            print(f'  {group}: {", ".join(inside)}')
    return groups


def main() -> None:
    args = parse_args()
    try:
        coco = read_coco(args.ann)
        fold_of = folds_of(args, coco)
        written = write_folds(coco, fold_of, args.out)
    except (OSError, ValueError) as error:
        sys.exit(f'split_folds: {error}')
    image_ids, counts = image_class_counts(coco)
    rows = []
    for fold in range(max(fold_of.values()) + 1):
        inside = [fold_of[i] == fold for i in image_ids.tolist()]
        rows.append((f'fold {fold}', f'{sum(inside)}', *(f'{n:,}' for n in counts[inside].sum(0))))
    print(text_table(('', 'images', *(c['name'] for c in coco['categories'])), rows))
    print(f'wrote {len(written)} files to {args.out}')


if __name__ == '__main__':
    main()
