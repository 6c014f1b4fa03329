#!/usr/bin/env python
"""Test a model: measure it, or with --format-only write its predictions and the submission zip."""

import argparse
import os
from pathlib import Path

from mmdet.utils import setup_cache_size_limit_of_dynamo
from mmengine.config import DictAction

from mmcellseg.components import checkpoint
from mmcellseg.runs import launch, outputs
from mmcellseg.runs.errors import errors_in_a_line


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--work-dir', help='folder of the run (default: work_dirs/<name of the config>)')
    way = parser.add_mutually_exclusive_group()
    way.add_argument('--format-only', action='store_true', help=f'write {outputs.RESULTS_NAME} and submission.zip')
    way.add_argument('--val', action='store_true', help=f'measure the validation images: {outputs.VALIDATION_NAME}')
    parser.add_argument('--ids', help="test_image_name_to_ids.json (default: in the test set's data_root)")
    parser.add_argument(
        '--trust-checkpoint', action='store_true', help='unpickle the checkpoint whole, code in it included'
    )
    parser.add_argument('--out', metavar='FILE.pkl', help='also dump the predictions as a pickle')
    parser.add_argument('--show-dir', help="draw the predictions into <run's folder>/<timestamp>/SHOW_DIR")
    parser.add_argument(
        '--show-score-thr',
        type=float,
        metavar='X',
        help="least score of what is drawn (default: the run's fitted, or 0.5)",
    )
    parser.add_argument(
        '--tta',
        action='store_true',
        help="test-time augmentation (the config's tta_model); as `tta = True` in the config",
    )
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='config overrides')
    parser.add_argument('--verbose', action='store_true', help='show the whole log, and tracebacks of errors')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.out and not args.out.endswith(('.pkl', '.pickle')):
        parser.error(f'--out {args.out}: the dump is a pickle, so its name must end with .pkl or .pickle')
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def test(args: argparse.Namespace) -> None:
    setup_cache_size_limit_of_dynamo()
    cfg = launch.load_config(args.config, args.cfg_options, args.work_dir, args.launcher)
    # The config may be the copy in a folder that stock tools resumed; the best checkpoint holds nothing to resume from.
    cfg.load_from, cfg.resume = args.checkpoint, False
    if args.trust_checkpoint:
        checkpoint.trust(args.checkpoint)
    if args.val:
        outputs.set_validation(cfg)
    if args.format_only:
        outputs.set_format_only(cfg)
    if args.show_dir:
        from mmcellseg.predict import DEFAULT_THRESHOLD, fitted_threshold  # not needed otherwise

        fitted = fitted_threshold(args.config, Path(args.checkpoint).parent)
        least = (fitted[0] if fitted else DEFAULT_THRESHOLD) if args.show_score_thr is None else args.show_score_thr
        launch.set_show_dir(cfg, args.show_dir, least)
    if args.tta or cfg.get('tta'):
        launch.set_tta(cfg)
    launch.run_test(cfg, args.out, args.ids, args.verbose)


def main() -> None:
    args = parse_args()
    with errors_in_a_line('test', args.verbose):
        test(args)


if __name__ == '__main__':
    main()
