#!/usr/bin/env python3
"""Convert folders of class TIFFs to COCO json: SRC/train, SRC/test_release, SRC/test_image_name_to_ids.json.

    python tools/dataset_converters/cells2coco.py SRC OUT [--holdout 0.2 --seed 0]

writes OUT/annotations/train.json and test.json with paths relative to SRC (OUT is usually SRC), and findings.tsv
with all that was noticed. With --holdout also train_holdout.json and val_holdout.json.
"""

import argparse
import os
import sys
from itertools import groupby
from pathlib import Path

from mmcellseg.data.convert import CLASSES, read_dataset, write_conversion, write_findings
from mmcellseg.data.split import write_holdout
from mmcellseg.data.tiff import printable

SHOWN = 5


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', type=Path, metavar='SRC')
    parser.add_argument('out', type=Path, metavar='OUT')
    parser.add_argument('--classes', nargs='+', default=CLASSES, help='names of class1.tif, class2.tif, …')
    parser.add_argument('--ids', type=Path, help='the id file of the test images, if it is not in SRC')
    parser.add_argument('--strict', action='store_true', help='findings are failures: write no json then')
    parser.add_argument('--workers', type=int, default=os.cpu_count(), help='processes (default: %(default)s)')
    parser.add_argument('--holdout', type=float, help='share of the training images to hold out')
    parser.add_argument('--seed', type=int, default=0, help='of the hold-out draw (default: %(default)s)')
    return parser.parse_args()


def convert(args: argparse.Namespace) -> int:
    """Convert, and return the exit status."""
    conversion = read_dataset(args.source, args.classes, args.ids, args.workers)
    findings = sorted(conversion.findings, key=lambda finding: finding.kind)
    for _, group in groupby(findings, key=lambda finding: finding.kind):
        same = list(group)
        for finding in same[:SHOWN]:
            print(finding)
        if len(same) > SHOWN:
            print(f'    … and {len(same) - SHOWN} more of this kind')
    print(f'all findings: {write_findings(findings, args.out)}')
    print(conversion.summary())
    if args.strict and findings:
        print(f'--strict: {len(findings)} findings, nothing was converted', file=sys.stderr)
        return 1
    if not conversion.train['images']:
        raise ValueError(f'{args.source}: not one training image can be used (see above); no json was written')
    written = []
    if args.holdout is not None:
        try:
            written += write_holdout(conversion.train, args.holdout, args.seed, args.out / 'annotations')
        except ValueError as error:
            raise ValueError(f'{args.source}: {error}; nothing was written') from error
    for path in [*write_conversion(conversion, args.out), *written]:
        print(f'wrote {printable(path)}')
    return 0


def main() -> int:
    args = parse_args()
    if args.holdout is not None and not 0 < args.holdout < 1:
        raise SystemExit(f'--holdout must lie between 0 and 1, got {args.holdout}')
    try:
        return convert(args)
    except (ValueError, OSError, RuntimeError) as error:
        raise SystemExit(str(error)) from error


if __name__ == '__main__':
    sys.exit(main())
