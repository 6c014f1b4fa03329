#!/usr/bin/env python3
"""Write predictions as files for QuPath, Fiji or a table, and read corrected cells back to train on.

    python tools/export.py RESULTS.json --images JSON --to FORMAT… --out DIR
    python tools/export.py --from geojson FILE… --images JSON --out COCO.json

JSON lists the images: a COCO json or an id file; a folder of images does as well. docs/exports.md says more.
"""

import argparse
import json
from pathlib import Path

from mmcellseg.export.convert import coco_of_files, coloured, export_results, read_images
from mmcellseg.export.formats import FORMATS, READERS
from mmcellseg.structures.files import atomic_write


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('files', nargs='+', type=Path, metavar='FILE', help='a predictions file; with --from, exports')
    parser.add_argument('--images', type=Path, required=True, metavar='JSON', help='the images; or a folder of them')
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument('--to', nargs='+', choices=FORMATS, help='what to write')
    way.add_argument('--from', dest='source', choices=READERS, help='what FILE… are')
    parser.add_argument('--out', type=Path, required=True, help='a folder; with --from, the COCO json to write')
    parser.add_argument('--classes', nargs='+', metavar='NAME', help='names of classes 1, 2, … (default: of the json)')
    parser.add_argument('--score-thr', type=float, default=0.0, help='leave out cells below (default: %(default)s)')
    parser.add_argument('--mpp', type=float, help='µm/px, for areas in µm² and the resolution of label TIFFs')
    return parser.parse_args()


def run(args: argparse.Namespace) -> str:
    """Convert, and say what was done."""
    images, classes = read_images(args.images)
    if args.classes:
        classes = coloured(dict(enumerate(args.classes, 1)))
    if args.source:
        coco = coco_of_files(args.files, args.source, images, classes)
        atomic_write(args.out, json.dumps(coco))
        return f'{args.out}: {len(coco["annotations"])} cells of {len(coco["images"])} images'
    if len(args.files) > 1:
        raise ValueError(f'--to takes one predictions file, found {len(args.files)}')
    if not classes:
        raise ValueError(f'{args.images}: has no categories: name the classes with --classes')
    formats = [FORMATS[name] for name in dict.fromkeys(args.to)]
    written, cells = export_results(args.files[0], images, classes, formats, args.out, args.score_thr, args.mpp)
    return f'{args.out}: {cells} cells in {len(written)} files'


def main() -> None:
    args = parse_args()
    try:
        print(run(args))
    except (ValueError, OSError) as error:
        raise SystemExit(f'export.py: {error}') from error


if __name__ == '__main__':
    main()
