#!/usr/bin/env python
"""Merge the predictions of the members that a config of configs/ensembles/ lists.

    python tools/ensemble.py CONFIG [--run-missing] [--workers N]

It writes test-results.json and, if the config names the file of image ids, submission.zip; with annotated
images also scores.json with every member's figures and the merge's.
"""

import argparse
import json
import os
from pathlib import Path

from mmdet.registry import TASK_UTILS
from mmengine.config import Config, DictAction

from mmcellseg.ensemble.driver import merge_files
from mmcellseg.ensemble.members import RESULTS_NAME, Member, find_results, read_image_set, run_missing
from mmcellseg.ensemble.scoring import MERGED, score_files, score_table
from mmcellseg.export.submission import write_submission
from mmcellseg.structures.files import atomic_write


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='members, fusion, ann_file, out_dir and (optional) ids_file')
    parser.add_argument('--out-dir', type=Path, help="folder of what is written (default: the config's out_dir)")
    parser.add_argument('--workers', type=int, default=os.cpu_count(), help='processes; the bytes stay the same')
    parser.add_argument('--run-missing', action='store_true', help='first test the members without predictions')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='config overrides')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    out_dir = args.out_dir or Path(cfg.out_dir)
    members = [Member(**member) for member in cfg.members]
    fusion = TASK_UTILS.build(cfg.fusion)
    if args.run_missing:
        run_missing(members)
    images = read_image_set(cfg.ann_file)
    merged = merge_files(members, fusion, images, out_dir / RESULTS_NAME, args.workers)
    print(
        f'{out_dir / RESULTS_NAME}: {merged.written} cells of {merged.images} images, merged from {merged.read} '
        f'of {len(members)} members ({merged.empty} with an empty mask left out)'
    )
    if images.annotated:
        files = {m.name: find_results(m.results) for m in members} | {MERGED: out_dir / RESULTS_NAME}
        scores = score_files(files, cfg.ann_file)
        atomic_write(out_dir / 'scores.json', json.dumps(scores, indent=1) + '\n')
        print(score_table(scores, ('segm_AP50', 'segm_AP', 'segm_AP75')))
    if cfg.get('ids_file'):
        print(write_submission(out_dir / RESULTS_NAME, cfg.ids_file, out_dir / 'submission.zip', images.categories))


if __name__ == '__main__':
    main()
