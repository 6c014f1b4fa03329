#!/usr/bin/env python3
"""Run one step of a series of experiments: train, predict the validation images, write its metrics.json.

    python tools/run_step.py CONFIG [--work-dir work_dirs/consep/NAME] [--submit]

Run the same command again after an interruption: it resumes. A config with weights = 's20' trains nothing and takes
the weights of the step beside it whose name begins so; a config of configs/ensembles/ merges the predictions of
finished steps. --submit also predicts the test images and zips them. The score threshold for label maps, fitted on the
validation images, is in record.json. Where git would track that record (work_dirs/consep), a work tree with changes is
refused.
"""

import argparse
from pathlib import Path

from mmcellseg.runs.config_options import read_config
from mmcellseg.runs.ensembles import is_ensemble, run_ensemble_step, submit_ensemble_step
from mmcellseg.runs.errors import errors_in_a_line
from mmcellseg.runs.steps import run_step, submit_step


def parse_args() -> tuple[argparse.Namespace, list[str]]:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument('config')
    parser.add_argument(
        '--work-dir', type=Path, help='default: out_dir of an ensemble, or work_dirs/<folder of the config>/<its name>'
    )
    parser.add_argument('--submit', action='store_true', help='also write submission.zip for the test images')
    return parser.parse_known_args()  # what is left goes to tools/train.py


def main() -> None:
    args, options = parse_args()
    config = Path(args.config)
    with errors_in_a_line('run_step'):
        cfg = read_config(config)
        default = Path('work_dirs') / config.parent.name / config.stem
        folder = args.work_dir or Path(cfg.get('out_dir', default))
        if is_ensemble(cfg):
            run_ensemble_step(args.config, folder)
        else:
            run_step(args.config, folder, options)
        if args.submit:
            print(f'submission: {(submit_ensemble_step if is_ensemble(cfg) else submit_step)(args.config, folder)}')


if __name__ == '__main__':
    main()
