"""Cross-validation: one config, trained and tested on each of the folds that ``split_folds.py`` wrote."""

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from ..components import provenance
from ..components.config_paths import annotation_file, config_datasets
from ..components.record import config_facts, experiment
from ..data.class_weights import text_table
from ..ensemble import build_fusion
from ..ensemble.driver import merge_files
from ..ensemble.members import Member, find_results, read_image_set
from ..evaluation.evaluate import evaluate_results, sweep_score_thresholds
from ..evaluation.ground_truth import GroundTruth
from ..export.submission import write_submission
from ..reporting.records import difference, difference_lines, read_record, write_record
from ..reporting.report.measures import join_annotations
from ..structures.files import atomic_write
from ..structures.results import read_results, write_results
from ..structures.run_files import RECORD_NAME, RESULTS_NAME, ZIP_NAME, checkpoint_of, newest
from .outputs import find_ids_file, set_validation
from .processes import run_tool
from .steps import check_publishable, finish_step, submitted, weights_leaf

FOLD_NAME = 'results.json'  # of a fold that is trained and tested, in its folder
OOF_NAME, OOF_IMAGES_NAME, SCORES_NAME = 'oof-results.json', 'oof-images.json', 'cross-validation.json'
SHOWN = ('segm_AP50', 'bPQ', 'AJI', 'Dice')  # of each fold, in the record


def _set_ann_files(part: Any, name: str) -> None:
    """Replace the file name of every ``ann_file`` in a piece of config."""
    if isinstance(part, dict) and part.get('ann_file'):
        part['ann_file'] = str(Path(part['ann_file']).with_name(name))
    if isinstance(part, dict | list | tuple):
        for value in part.values() if isinstance(part, dict) else part:
            _set_ann_files(value, name)


def fold_config(cfg: Config, fold: int, results_file: str | Path) -> Config:
    """The config that trains on ``fold{K}_train.json``, and validates and tests on ``fold{K}_val.json``.

    The names replace those of all annotation files in the training and validation parts, a copy-paste transform's
    included: cells of the fold kept apart must not be pasted into its training images. The test writes its predictions
    into ``results_file``.
    """
    cfg = Config(cfg._cfg_dict.to_dict(), filename=cfg.filename)
    for key, value in cfg.items():
        # Pipelines and the like that the data loaders were built from hold annotation files too.
        if key == 'train_dataloader' or not key.startswith(('train_', 'val_', 'test_')):
            _set_ann_files(value, f'fold{fold}_train.json')
    # The test set's pipeline has no augmentation either.
    datasets = [cfg[key]['dataset'] for key in ('val_dataloader', 'test_dataloader') if cfg.get(key) is not None]
    if not datasets:
        raise ValueError(f'{cfg.filename}: cross-validation needs a val_dataloader or a test_dataloader')
    loader = {'batch_size': 1, 'num_workers': 2, 'sampler': {'type': 'DefaultSampler', 'shuffle': False}}
    cfg.val_dataloader = {**loader, **(cfg.get('val_dataloader') or {}), 'dataset': datasets[0]}
    _set_ann_files(cfg.val_dataloader, f'fold{fold}_val.json')
    dataset = cfg.val_dataloader.dataset
    ann_file = str(Path(dataset.get('data_root') or '') / dataset.ann_file)
    cfg.val_evaluator = {**(cfg.get('val_evaluator') or {'type': 'CellMetric'}), 'ann_file': ann_file}
    cfg.val_cfg = cfg.get('val_cfg') or {'type': 'ValLoop'}
    set_validation(cfg, str(Path(results_file).resolve()))
    return cfg


def _fold_of(leaf: str, fold: int, work_dir: Path) -> Path:
    """The folder of a fold in the cross-validation of a leaf, which lies beside ``work_dir``."""
    return work_dir.parent / f'{leaf}_cv' / f'fold{fold}'


def fold_weights(cfg: Config, fold: int, work_dir: Path) -> Path:
    """The folder with the weights that a fold is tested with.

    It is the fold's own, or with ``weights = 's20'`` in the config that of the same fold in the cross-validation of
    the leaf beside it that begins so: ``<name of that leaf>_cv``, beside ``work_dir``.
    """
    if (name := cfg.get('weights')) is None:
        return work_dir / f'fold{fold}'
    return _fold_of(weights_leaf(cfg.filename, name).stem, fold, work_dir)


def fold_start(cfg: Config, fold: int, work_dir: Path) -> str | None:
    """The checkpoint that a fold's training begins from (``load_from``).

    What a leaf beside the config trained has seen images of the fold kept apart. In its place comes the file of that
    name from the same fold of its cross-validation: ``<name of that leaf>_cv``, beside ``work_dir``.
    """
    start = cfg.get('load_from')
    leaf = Path(start or '').parent.name
    if not leaf or not Path(cfg.filename).with_name(f'{leaf}.py').is_file():
        return start
    return str(_fold_of(leaf, fold, work_dir) / Path(start).name)


def _ann_file(cfg: Config, fold: int) -> Path:
    """The annotations that a fold is validated on."""
    return Path(fold_config(cfg, fold, 'unused').val_evaluator['ann_file'])


def check_folds(cfg: Config, folds: int, work_dir: Path) -> None:
    """Refuse missing or surplus files of folds, or unfinished folds of another step, before any training."""
    for fold in range(folds):
        path = _ann_file(cfg, fold)
        for wanted in (path.with_name(f'fold{fold}_train.json'), path):
            if not wanted.is_file():
                raise FileNotFoundError(
                    f'{wanted} is not there: write the folds first, '
                    f'tools/dataset_converters/split_folds.py ANN {wanted.parent} --folds {folds}'
                )
    more = path.with_name(f'fold{folds}_val.json')
    if more.exists():
        raise ValueError(f'{more} exists: the data was split into more than --folds {folds} folds')
    for fold in range(folds):
        source, start = fold_weights(cfg, fold, work_dir), fold_start(cfg, fold, work_dir)
        if cfg.get('weights') is None:  # it trains
            if start is None or start == cfg.load_from:
                continue
            source = Path(start).parent
        if not (source / FOLD_NAME).is_file():  # it may have a checkpoint of half its training
            raise FileNotFoundError(
                f'{source} is not a finished fold; first run tools/cross_validate.py for the step of its weights'
            )


def run_fold(cfg: Config, fold: int, work_dir: Path, train_options: Sequence[str] = ()) -> Path:
    """Train and test one fold in fresh processes, and return its predictions; a fold with results stays as it is.

    Raises:
        RuntimeError: A tool ended with an error.
        ValueError: The folder holds the same fold of another config.
    """
    folder = work_dir / f'fold{fold}'
    results = folder / FOLD_NAME
    # Beside the run's folder: the runner copies its config into that, as resumed when it was.
    config, wanted = work_dir / f'fold{fold}.py', fold_config(cfg, fold, results)
    wanted.load_from = fold_start(cfg, fold, work_dir)
    folder.mkdir(parents=True, exist_ok=True)
    if config.is_file() and (differing := difference(experiment(Config.fromfile(config)), experiment(wanted))):
        raise ValueError(
            f'{config} was begun with another config:\n{difference_lines(differing)}\n'
            'Give --work-dir for another folder'
        )
    if results.is_file():
        print(f'fold {fold}: {results} is there')
        return results
    wanted.dump(config)
    source = fold_weights(cfg, fold, work_dir)
    if source == folder:
        run_tool('train.py', str(config), '--work-dir', str(folder), '--resume', *train_options)
    run_tool('test.py', str(config), str(checkpoint_of(source)), '--work-dir', str(folder / 'test'))
    return results


def mean_and_std(scores: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    """Mean and sample standard deviation (n − 1) over folds of each figure, over the folds that define it."""
    summary = {}
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', RuntimeWarning)  # of no fold at all the mean is NaN, of one the deviation
        for key in scores[0]:
            values = [score.get(key, np.nan) for score in scores]
            summary[key] = float(np.nanmean(values)), float(np.nanstd(values, ddof=1))
    return summary


def summarise(cfg: Config, results: Sequence[Path], work_dir: Path) -> str:
    """Score each fold, write ``oof-results.json`` and ``cross-validation.json``, and return the table.

    Where the folds' tests kept their views, each view has a file too: ``oof-results.view0.json``.
    """
    scores = [evaluate_results(path, _ann_file(cfg, fold)) for fold, path in enumerate(results)]
    views = [''.join(view.suffixes) for view in results[0].parent.glob(f'{results[0].stem}.view*.json')]
    for suffix in ['.json', *views]:
        entries = [entry for path in results for entry in read_results(path.with_suffix(suffix))]
        write_results((work_dir / OOF_NAME).with_suffix(suffix), entries)
    summary = mean_and_std(scores)
    moments = {name: {key: pair[k] for key, pair in summary.items()} for k, name in enumerate(('mean', 'std'))}
    atomic_write(work_dir / SCORES_NAME, json.dumps({'folds': scores, **moments}, indent=1))
    head = ('', *(f'fold {fold}' for fold in range(len(scores))), 'mean ± std')
    rows = [
        (key, *(f'{s[key]:.4f}' for s in scores), f'{mean:.4f} ± {std:.4f}')
        for key, (mean, std) in summary.items()
        if key != 'max_dets'  # a setting, not a score
    ]
    return text_table(head, rows)


def record_folds(config: str, cfg: Config, results: Sequence[Path], work_dir: Path) -> None:
    """Fit one score threshold on all images out of fold, and write ``record.json`` as a step's.

    The figures are those of all images together, and of each fold (``folds``, with mean and deviation) at the same
    threshold. ``oof-images.json`` has the images that ``oof-results.json`` is of. :func:`summarise` comes before.
    """
    check_publishable(work_dir)
    ann_files = [_ann_file(cfg, fold) for fold in range(len(results))]
    images = atomic_write(work_dir / OOF_IMAGES_NAME, json.dumps(join_annotations(ann_files)))
    runs = []
    for fold, path in enumerate(results):
        tested = fold_weights(cfg, fold, work_dir) != path.parent
        runs.append(read_record((tested and newest(path.parent / 'test', RECORD_NAME)) or path.parent))
    record = {key: value for key, value in runs[0].items() if key not in ('metrics', 'weights', 'name')}
    record |= {'kind': 'cross-validation', 'config': config_facts(cfg)}
    record['data'] = {OOF_IMAGES_NAME: provenance.describe_annotations(images)}
    record['time'] = {'wall_s': round(sum(run['time']['wall_s'] for run in runs), 1)}
    if cfg.get('weights') is not None:
        record['weights'] = {'step': fold_weights(cfg, 0, work_dir).parent.name}
    threshold = finish_step(config, work_dir, record, str(images), work_dir / OOF_NAME)
    scores = []
    scored = json.loads((work_dir / SCORES_NAME).read_text())['folds']  # their AP does not depend on the threshold
    for of_fold, path, ann_file in zip(scored, results, ann_files):
        maps = sweep_score_thresholds(read_results(path), GroundTruth(ann_file), [threshold])[threshold]
        scores.append({key: round(float({**of_fold, **maps}[key]), 4) for key in SHOWN})
    moments = mean_and_std(scores)
    pairs = {key: [round(value, 4) for value in pair] for key, pair in moments.items()}
    folds = {**{f'fold{fold}': score for fold, score in enumerate(scores)}, 'mean and std': pairs}
    write_record(work_dir, {**read_record(work_dir), 'folds': folds})


def submit_folds(cfg: Config, folds: int, work_dir: Path) -> Path:
    """Merge what the models of all folds predict on the test images, each view that is kept a member; and zip it.

    The fusion is that of the config's ``tta_model``, else shared masks. What an earlier call has finished is kept.
    """
    if (done := submitted(work_dir)) is not None:
        return done
    ids_file, ann_file = find_ids_file(cfg), annotation_file(config_datasets(cfg, 'test')[0]) or ''
    cfg.dump(work_dir / 'submit.py')
    members = []
    for fold in range(folds):
        home = work_dir / f'fold{fold}'
        folder = home / 'submit'
        if newest(folder, RESULTS_NAME) is None:
            checkpoint = checkpoint_of(fold_weights(cfg, fold, work_dir))
            run_tool(
                'test.py', str(work_dir / 'submit.py'), str(checkpoint), '--work-dir', str(folder), '--format-only'
            )
        found = find_results(folder)
        files = sorted(found.parent.glob(f'{found.stem}*.json'))  # its own first
        kept = [atomic_write(home / file.name, file.read_bytes()) for file in files]  # where ensembles name them
        members += [Member(f'fold {fold}, {file.stem}', str(file)) for file in kept[1:] or kept]
    image_set = read_image_set(ann_file)
    fusion = (cfg.get('tta_model') or {}).get('fusion') or {'type': 'SharedMaskFusion'}
    merge_files(members, build_fusion(fusion), image_set, work_dir / RESULTS_NAME)
    write_submission(work_dir / RESULTS_NAME, ids_file, work_dir / ZIP_NAME, image_set.categories)
    return work_dir / ZIP_NAME
