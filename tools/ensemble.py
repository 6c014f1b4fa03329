#!/usr/bin/env python
"""Merge the predictions of the members that a config of configs/ensembles/ lists.

    python tools/ensemble.py CONFIG [--run-missing] [--workers N]
    python tools/ensemble.py CONFIG --fit-calibration FILE.json
    python tools/ensemble.py CONFIG --select NEW_CONFIG.py [--metric segm_AP50]

The first form writes test-results.json and, if the config names the file of image ids, submission.zip; with
annotated images also scores.json with every member's figures and the merge's. The others work on the members'
predictions of annotated images (their ``oof`` files and the config's ``oof_ann_file``): Platt curves for a
fusion's ``calibration``, and a config with the members that help. Members with the same oof file, as the models of
the folds of one cross-validation, are judged as one.
"""

import argparse
import json
import os
from dataclasses import fields, replace
from pathlib import Path

from mmengine.config import Config, DictAction

from mmcellseg.ensemble import build_fusion
from mmcellseg.ensemble.calibration import write_calibration
from mmcellseg.ensemble.driver import merge_files
from mmcellseg.ensemble.members import (
    Member,
    find_results,
    read_image_set,
    read_out_of_fold,
    share_out_of_fold,
    write_ensemble,
)
from mmcellseg.ensemble.selection import (
    MERGED,
    markdown,
    score_files,
    select_members,
    selection_config,
    selection_table,
)
from mmcellseg.evaluation.ground_truth import GroundTruth
from mmcellseg.export.submission import write_submission
from mmcellseg.structures.files import atomic_write
from mmcellseg.structures.run_files import RESULTS_NAME, ZIP_NAME


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='members, fusion, ann_file, out_dir and (optional) ids_file')
    parser.add_argument('--out-dir', type=Path, help="folder of what is written (default: the config's out_dir)")
    parser.add_argument('--workers', type=int, default=os.cpu_count(), help='processes; the bytes stay the same')
    parser.add_argument('--run-missing', action='store_true', help='first test the members without predictions')
    parser.add_argument('--fit-calibration', type=Path, metavar='FILE.json', help='fit and write Platt curves')
    parser.add_argument('--select', type=Path, metavar='CONFIG.py', help='choose members and write their config')
    parser.add_argument('--metric', default='segm_AP50', help='what members are chosen by (default: %(default)s)')
    parser.add_argument('--rounds', type=int, default=10, help='members drawn at most (default: %(default)s)')
    parser.add_argument('--kept-apart', type=float, default=0.5, help='share of the images not chosen on')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='config overrides')
    return parser.parse_args()


def merge(cfg: Config, args: argparse.Namespace, members: list[Member]) -> None:
    """Merge, score and zip."""
    out_dir = args.out_dir or Path(cfg.out_dir)
    if args.run_missing:
        from mmcellseg.runs.ensembles import run_missing  # imports MMDetection, which merging does without

        run_missing(members)
    images = read_image_set(cfg.ann_file)
    fusion = build_fusion(cfg.fusion)
    merged = merge_files(members, fusion, images, out_dir / RESULTS_NAME, args.workers)
    print(
        f'{out_dir / RESULTS_NAME}: {merged.written} cells of {merged.images} images, merged from {merged.read} '
        f'of {len(members)} members ({merged.empty} with an empty mask left out)'
    )
    if images.annotated:
        files = {m.name: find_results(m.results) for m in members} | {MERGED: out_dir / RESULTS_NAME}
        scores = score_files(files, cfg.ann_file)
        write_ensemble(out_dir, members, cfg.fusion.to_dict(), cfg.ann_file)
        atomic_write(out_dir / 'scores.json', json.dumps(scores, indent=1) + '\n')
        figures = ('segm_AP50', 'segm_AP', 'segm_AP75')
        rows = [(name, *(values[figure] for figure in figures)) for name, values in scores.items()]
        print('\n'.join(markdown(('', *figures), rows)))
    if cfg.get('ids_file'):
        print(write_submission(out_dir / RESULTS_NAME, cfg.ids_file, out_dir / ZIP_NAME, images.categories))


def study(cfg: Config, args: argparse.Namespace, members: list[Member]) -> None:
    """Fit the calibration or choose members, on predictions of annotated images."""
    if not cfg.get('oof_ann_file'):
        raise SystemExit(f'{args.config}: set oof_ann_file, the annotations of the images in the oof files')
    if args.fit_calibration:
        write_calibration(args.fit_calibration, members, cfg.oof_ann_file)
        print(f"{args.fit_calibration}: give it to the fusion as calibration='{args.fit_calibration}'")
        return
    groups = share_out_of_fold(members)
    predictions = read_out_of_fold([group[0] for group in groups], read_image_set(cfg.oof_ann_file))
    fusion = build_fusion(cfg.fusion)
    split = (args.metric, args.rounds, args.kept_apart)
    selection = select_members(predictions, GroundTruth(cfg.oof_ann_file), fusion, *split, workers=args.workers)
    print(selection_table(selection))
    drawn = {member.name: selection.weights.get(group[0].name) for group in groups for member in group}
    selection = replace(selection, weights={name: weight for name, weight in drawn.items() if weight})
    settings = {k: cfg[k] for k in ('ann_file', 'ids_file', 'oof_ann_file') if cfg.get(k)}
    settings |= {'out_dir': f'work_dirs/ensembles/{args.select.stem}', 'fusion': cfg.fusion.to_dict()}
    atomic_write(args.select, selection_config(selection, members, settings))
    print(f'\n{args.select}: {len(selection.weights)} of {len(members)} members')


def read_config(args: argparse.Namespace) -> tuple[Config, list[Member]]:
    """The config with its overrides, and its members."""
    cfg = Config.fromfile(args.config, import_custom_modules=False)  # merging needs no torch
    cfg.merge_from_dict(args.cfg_options or {})
    lacking = [key for key in ('members', 'fusion', 'ann_file') if key not in cfg]
    if lacking or not (args.out_dir or 'out_dir' in cfg):
        raise ValueError(f'{args.config}: no {", ".join(lacking) or "out_dir"}: give a config of configs/ensembles/')
    try:
        return cfg, [Member(**member) for member in cfg.members]
    except TypeError as error:
        keys = ', '.join(field.name for field in fields(Member))
        raise ValueError(f'{args.config}: a member has name and results, and may have of {keys} ({error})') from error


def main() -> None:
    args = parse_args()
    try:
        cfg, members = read_config(args)
        (study if args.select or args.fit_calibration else merge)(cfg, args, members)
    except (ValueError, OSError, RuntimeError) as error:
        raise SystemExit(str(error)) from error


if __name__ == '__main__':
    main()
