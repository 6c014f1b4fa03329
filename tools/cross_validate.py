#!/usr/bin/env python3
"""Train and test a config on every fold, and give mean ± std and the out-of-fold predictions as one results file.

    python tools/cross_validate.py CONFIG --folds 5 [--work-dir DIR]

The folds are those that tools/dataset_converters/split_folds.py wrote. Run the same command again after an
interruption: finished folds are kept, the current one resumes from its last checkpoint.
"""

import argparse
from pathlib import Path

from mmengine.config import DictAction

from mmcellseg.runs import launch
from mmcellseg.runs.cross_validation import check_folds, run_fold, summarise
from mmcellseg.runs.errors import errors_in_a_line


def parse_args() -> argparse.Namespace:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument('config', help='a training config; its fold and split are replaced')
    parser.add_argument('--folds', type=int, default=5)
    parser.add_argument('--work-dir', type=Path, help='default: work_dirs/<name of the config>_cv')
    parser.add_argument('--amp', action='store_true', help='mixed precision, where there is an accelerator')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='config overrides')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    work_dir = args.work_dir or Path('work_dirs') / f'{Path(args.config).stem}_cv'
    with errors_in_a_line('cross_validate'):
        cfg = launch.load_config(args.config, args.cfg_options)
        check_folds(cfg, args.folds)
        options = ['--amp'] if args.amp else []
        results = [run_fold(cfg, fold, work_dir, options) for fold in range(args.folds)]
        print(summarise(cfg, results, work_dir))
    print(f'out-of-fold predictions: {work_dir / "oof-results.json"}')
    print(f'scores: {work_dir / "cross-validation.json"}')


if __name__ == '__main__':
    main()
