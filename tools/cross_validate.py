#!/usr/bin/env python3
"""Train and test a config on every fold, and give mean ± std and the out-of-fold predictions as one results file.

    python tools/cross_validate.py CONFIG --folds 5 [--work-dir DIR]

The folds are those that tools/dataset_converters/split_folds.py wrote. Run the same command again after an
interruption: finished folds are kept, the current one resumes from its last checkpoint. With --only, several shells or
machines share the folds; the last call, without it, scores them. --submit merges what the models of all folds predict
on the test images into submission.zip. A config with weights = 's20' trains nothing: it tests the folds of the
cross-validation of that step.
"""

import argparse
from pathlib import Path

from mmengine.config import DictAction

from mmcellseg.runs import launch
from mmcellseg.runs.cross_validation import (
    OOF_IMAGES_NAME,
    OOF_NAME,
    SCORES_NAME,
    check_folds,
    record_folds,
    run_fold,
    submit_folds,
    summarise,
)
from mmcellseg.runs.errors import errors_in_a_line


def parse_args() -> argparse.Namespace:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument('config', help='a training config; its fold and split are replaced')
    parser.add_argument('--folds', type=int, default=5)
    parser.add_argument('--only', type=int, nargs='+', metavar='K', help='train and test these folds, and stop')
    parser.add_argument('--submit', action='store_true', help='also write submission.zip for the test images')
    parser.add_argument('--work-dir', type=Path, help='default: work_dirs/<name of the config>_cv')
    parser.add_argument('--amp', action='store_true', help='mixed precision, where there is an accelerator')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='config overrides')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    work_dir = args.work_dir or Path('work_dirs') / f'{Path(args.config).stem}_cv'
    with errors_in_a_line('cross_validate'):
        cfg = launch.load_config(args.config, args.cfg_options)
        if args.only and not set(args.only) <= set(range(args.folds)):
            raise ValueError(f'--only {args.only}: expected folds of 0 to {args.folds - 1}')
        check_folds(cfg, args.folds, work_dir)
        options = ['--amp'] if args.amp else []
        results = [run_fold(cfg, fold, work_dir, options) for fold in args.only or range(args.folds)]
        if args.only:
            return
        print(summarise(cfg, results, work_dir))
        record_folds(args.config, cfg, results, work_dir)
        print(f'out-of-fold predictions: {work_dir / OOF_NAME}, of the images in {work_dir / OOF_IMAGES_NAME}')
        print(f'scores: {work_dir / SCORES_NAME}')
        if args.submit:
            print(f'submission: {submit_folds(cfg, args.folds, work_dir)}')


if __name__ == '__main__':
    main()
