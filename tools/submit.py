#!/usr/bin/env python3
"""Check a predictions file (or a zip of one) against the image ids and zip it for submission.

    python tools/submit.py RESULTS --ids test_image_name_to_ids.json --out submission.zip

All violations are listed with the index of their entry; then nothing is written, an earlier zip stays, and the
exit status is 1. Without --out the file is only checked.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmcellseg.export.submission import CATEGORY_IDS, SubmissionError, validate_submission, write_submission
from mmcellseg.structures.coco import read_listed
from mmcellseg.structures.results_rules import CATEGORY, EMPTY_MASK, Violation


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('results', type=Path, help='test-results.json, or a zip of it')
    parser.add_argument('--ids', type=Path, required=True, help='the id file, or a COCO json with the images')
    parser.add_argument('--out', type=Path, metavar='ZIP')
    parser.add_argument(
        '--categories', type=int, nargs='+', help='the known category ids (default: those of the COCO json, or 1 to 4)'
    )
    parser.add_argument('--drop-empty', action='store_true', help='leave out predictions whose mask is empty')
    return parser.parse_args()


def advice(violations: Sequence[Violation]) -> str:
    """Which option some violations may call for."""
    lines = ''
    if any(violation.rule == EMPTY_MASK for violation in violations):
        lines += '\n--drop-empty leaves out predictions whose mask is empty, as tools/test.py --format-only does'
    if any(violation.rule == CATEGORY for violation in violations):
        lines += '\n--categories names the category ids, unless --ids is a COCO json with categories'
    return lines


def main() -> int:
    args = parse_args()
    try:
        categories = args.categories or list(read_listed(args.ids)[1]) or CATEGORY_IDS
        if args.out is None:
            violations = validate_submission(args.results, args.ids, categories)
            for violation in violations:
                print(violation, file=sys.stderr)
            print(f'{args.results}: {len(violations)} violations{advice(violations)}')
            return int(bool(violations))
        print(write_submission(args.results, args.ids, args.out, categories, args.drop_empty))
    except SubmissionError as error:
        print(f'{error}{advice(error.violations)}', file=sys.stderr)
        return 1
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
