"""Cross-validation: one config, trained and tested on each of the folds that ``split_folds.py`` wrote."""

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from ..components.record import experiment
from ..data.class_weights import text_table
from ..evaluation.evaluate import evaluate_results
from ..reporting.records import difference, difference_lines
from ..structures.files import atomic_write
from ..structures.results import read_results, write_results
from ..structures.run_files import checkpoint_of
from .outputs import set_validation
from .processes import run_tool


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


def check_folds(cfg: Config, folds: int) -> None:
    """Refuse missing or surplus files of folds before any training."""
    for fold in range(folds):
        path = Path(fold_config(cfg, fold, 'unused').val_evaluator['ann_file'])
        for wanted in (path.with_name(f'fold{fold}_train.json'), path):
            if not wanted.is_file():
                raise FileNotFoundError(
                    f'{wanted} is not there: write the folds first, '
                    f'tools/dataset_converters/split_folds.py ANN {wanted.parent} --folds {folds}'
                )
    more = path.with_name(f'fold{folds}_val.json')
    if more.exists():
        raise ValueError(f'{more} exists: the data was split into more than --folds {folds} folds')


def run_fold(cfg: Config, fold: int, work_dir: Path, train_options: Sequence[str] = ()) -> Path:
    """Train and test one fold in fresh processes, and return its predictions; a fold with results stays as it is.

    Raises:
        RuntimeError: A tool ended with an error.
        ValueError: The folder holds the same fold of another config.
    """
    folder = work_dir / f'fold{fold}'
    results = folder / 'results.json'
    # Beside the run's folder: the runner copies its config into that, as resumed when it was.
    config, wanted = work_dir / f'fold{fold}.py', fold_config(cfg, fold, results)
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
    run_tool('train.py', str(config), '--work-dir', str(folder), '--resume', *train_options)
    run_tool('test.py', str(config), str(checkpoint_of(folder)), '--work-dir', str(folder / 'test'))
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
    """Score each fold, write ``oof-results.json`` and ``cross-validation.json``, and return the table."""
    scores, entries = [], []
    for fold, path in enumerate(results):
        scores.append(evaluate_results(path, fold_config(cfg, fold, path).val_evaluator['ann_file']))
        entries += read_results(path)
    write_results(work_dir / 'oof-results.json', entries)
    summary = mean_and_std(scores)
    moments = {name: {key: pair[k] for key, pair in summary.items()} for k, name in enumerate(('mean', 'std'))}
    atomic_write(work_dir / 'cross-validation.json', json.dumps({'folds': scores, **moments}, indent=1))
    head = ('', *(f'fold {fold}' for fold in range(len(scores))), 'mean ± std')
    rows = [
        (key, *(f'{s[key]:.4f}' for s in scores), f'{mean:.4f} ± {std:.4f}')
        for key, (mean, std) in summary.items()
        if key != 'max_dets'  # a setting, not a score
    ]
    return text_table(head, rows)
