#!/usr/bin/env python
"""Train a model: MMDetection's command line with a seed, and CPU fall-backs that say so."""

import argparse
import os

from mmdet.utils import setup_cache_size_limit_of_dynamo
from mmengine.config import DictAction

from mmcellseg.components import checkpoint
from mmcellseg.runs import launch
from mmcellseg.runs.config_options import ConfigError
from mmcellseg.runs.errors import errors_in_a_line


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder of the run (default: work_dirs/<name of the config>)')
    parser.add_argument('--resume', nargs='?', const='auto', metavar='CHECKPOINT', help='go on from the last one')
    parser.add_argument(
        '--overwrite', action='store_true', help='take a folder that holds the record of another config or seed'
    )
    parser.add_argument(
        '--trust-checkpoint', action='store_true', help='unpickle the checkpoint of --resume or load_from whole'
    )
    parser.add_argument('--seed', type=int, help="seed of everything random (default: the config's)")
    parser.add_argument('--amp', action='store_true', help='mixed precision, where there is an accelerator')
    parser.add_argument('--auto-scale-lr', action='store_true', help='scale the learning rate with the batch')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='config overrides')
    parser.add_argument('--verbose', action='store_true', help='show the whole log, and tracebacks of errors')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def train(args: argparse.Namespace) -> None:
    setup_cache_size_limit_of_dynamo()
    cfg = launch.load_config(args.config, args.cfg_options, args.work_dir, args.launcher)
    if cfg.get('weights') is not None:
        raise ConfigError(
            f'{args.config} trains nothing: it takes the weights of step {cfg.weights}; use tools/run_step.py'
        )
    launch.set_seed(cfg, args.seed)
    launch.set_precision(cfg, args.amp)
    if args.auto_scale_lr:
        launch.set_auto_scale_lr(cfg)
    resume = launch.resume_point(cfg, args.resume)
    if args.trust_checkpoint and (begin := resume or cfg.get('load_from')):
        checkpoint.trust(begin)
    launch.run_train(cfg, args.overwrite or args.work_dir is not None, resume, args.verbose)


def main() -> None:
    args = parse_args()
    with errors_in_a_line('train', args.verbose):
        train(args)


if __name__ == '__main__':
    main()
