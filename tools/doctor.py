#!/usr/bin/env python3
"""Say whether this machine can run the project, a line a check: ok, a warning, or what to do.

    python tools/doctor.py [CONFIG …] [--json FILE]
    python tools/doctor.py --gpu [--minutes 8]

--gpu runs what only a GPU can show, each part in turn, and writes doctor-gpu.json as it goes; the same command takes
up the parts that are left.
"""

import argparse
import sys
import warnings
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))  # works where the package is not installed, which is one thing to find out

from mmcellseg import doctor

DATA = [PROJECT / 'configs/_base_/datasets' / name for name in ('cells_holdout.py', 'consep_fold0.py', 'demo.py')]


def parse_args() -> argparse.Namespace:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument(
        'config', nargs='*', default=DATA, help="configs whose data are looked at (default: the project's)"
    )
    parser.add_argument('--work-dir', default='work_dirs', help='where runs go (default: %(default)s)')
    parser.add_argument(
        '--json', type=Path, help='also write the answers to this file (--gpu: default doctor-gpu.json)'
    )
    parser.add_argument('--gpu', action='store_true', help='run what only a GPU can show')
    parser.add_argument('--minutes', type=float, default=8, help='time for --gpu (default: %(default)s)')
    parser.add_argument('--device', default='cuda', choices=['cuda', 'cpu'], help='of --gpu; cpu: in tiny sizes')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    warnings.simplefilter('ignore')
    sys.stdout.reconfigure(errors='replace')  # a terminal without Unicode
    if args.gpu:
        answers = doctor.run_gpu(args.json or Path('doctor-gpu.json'), args.minutes * 60, args.device)
    else:
        answers = doctor.run(args.work_dir, args.config, args.json)
    sys.exit(any(answer.status == 'fail' for answer in answers.values()))


if __name__ == '__main__':
    main()
