#!/usr/bin/env python3
"""Draw the loss and the AP of training and validation of one or several runs, with the chosen checkpoint marked.

    python tools/analysis_tools/plot_curves.py work_dirs/a work_dirs/b --out curves.png

The four curves need a validation split, ValidationLossHook and TrainSplitMetricHook in the run's config; what was not
logged is left out.
"""

import argparse
import sys
from pathlib import Path

from mmcellseg.reporting.run_log import RunLogError, read_run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('runs', nargs='+', type=Path, metavar='RUN', help='folders of runs')
    parser.add_argument('--out', type=Path, help='.png or .svg file (default: curves.png in the folder of the first)')
    parser.add_argument('--metric', default='segm_AP50', help='metric of the right panel (default: %(default)s)')
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    from mmcellseg.reporting.curves import draw, save  # matplotlib: --help does without

    try:
        runs = [read_run(run, args.metric) for run in args.runs]
        print(save(draw(runs, args.metric), args.out or args.runs[0] / 'curves.png'))
    except (RunLogError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
