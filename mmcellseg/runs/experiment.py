"""One step of a series of experiments: train, validate, fit the score threshold, predict the test images."""

import argparse
import ast
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction
from tqdm import tqdm

from ..components import record as ledger
from ..evaluation.evaluate import evaluate_results
from ..evaluation.ground_truth import GroundTruth
from ..reporting import records
from ..structures.files import atomic_write
from ..structures.results import read_results
from . import launch
from .cross_validation import checkpoint_of, run_tool
from .launch import RESULTS_NAME

THRESHOLDS = tuple(round(0.05 * k, 2) for k in range(1, 20))
METRICS_NAME = 'metrics.json'
ZIP_NAME = 'submission.zip'


def training_record(folder: Path) -> dict[str, Any] | None:
    """The record of a finished training in a folder, or None."""
    if not (folder / records.RECORD_NAME).is_file():
        return None
    record = records.read_record(folder)
    return record if record['status'] == 'finished' and record.get('kind') != 'test' else None


def trained_alike(cfg: Config, folder: Path) -> bool:
    """Whether a folder holds a finished run whose training had the same config, whatever it was tested on."""
    record = training_record(folder)
    if record is None:
        return False
    differing = records.difference(record['config']['values'], ledger.experiment(cfg))
    # Hooks and the like choose a checkpoint; only what a test may change is left out.
    return all(key.startswith(('val_', 'test_', 'model.test_cfg', 'tta')) for key in differing)


def find_training(cfg: Config, folder: Path) -> Path | None:
    """The run whose weights a step takes: its own, or that of a step beside it that differs in testing only."""
    for path in (folder, *sorted(path for path in folder.parent.glob('*') if path != folder)):
        try:
            if trained_alike(cfg, path):
                return path
        except records.RecordError as error:  # of some other run: no reason to stop this one
            print(f'left out: {error}')
    return None


def as_trained(config: str, options: Sequence[str] = ()) -> Config:
    """The config as tools/train.py has it after its options, and for want of an accelerator, have changed it."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    parser.add_argument('--seed', type=int)
    parser.add_argument('--amp', action='store_true')
    known, _ = parser.parse_known_args(options)
    cfg = launch.load_config(config, known.cfg_options)
    launch.set_seed(cfg, known.seed)
    launch.set_precision(cfg, known.amp)
    return cfg


def validation_config(cfg: Config, results_file: Path) -> Config:
    """The config whose test run predicts the validation images, through the validation pipeline."""
    cfg = Config(cfg._cfg_dict.to_dict(), filename=cfg.filename)
    cfg.test_dataloader = cfg.val_dataloader
    cfg.test_evaluator = {**cfg.val_evaluator, 'results_file': str(results_file.resolve())}
    cfg.test_cfg = {'type': 'TestLoop'}
    return cfg


def fit_score_threshold(results: Path, ann_file: str, key: str = 'bPQ') -> tuple[float, dict[str, float]]:
    """The score threshold of :data:`THRESHOLDS` with the best label-map figure, and all figures taken at it.

    Of equally good thresholds the lowest. What is fitted here is fitted on these images: judge it on others.
    """
    gt, entries = GroundTruth(ann_file), read_results(results)
    scored: dict[float, Mapping[str, float]] = {}
    for threshold in tqdm(THRESHOLDS, 'score threshold', unit='threshold'):
        scored[threshold] = evaluate_results(entries, gt, metrics=('panoptic',), score_thr=threshold)
    best = max(THRESHOLDS, key=lambda t: (-math.inf if math.isnan(scored[t][key]) else scored[t][key], -t))
    return best, {**evaluate_results(entries, gt, metrics=('bbox', 'segm')), **scored[best]}


def about(config: str) -> str:
    """The first line of a config's docstring: what the step tries."""
    return (ast.get_docstring(ast.parse(Path(config).read_text())) or '').partition('\n')[0]


def write_metrics(config: str, folder: Path, results: Path, ann_file: str) -> dict[str, float]:
    """Score validation predictions; write ``metrics.json`` into the step's folder and the figures into its record."""
    threshold, figures = fit_score_threshold(results, ann_file)
    content = {'ann_file': Path(ann_file).name, 'label_map_score_threshold': threshold, 'metrics': figures}
    record = records.read_record(folder)
    records.write_record(folder, {**record, 'about': about(config), 'validation': content})
    atomic_write(folder / METRICS_NAME, json.dumps(content, indent=1) + '\n')
    print(f'{folder.name}: AP50 {figures["segm_AP50"]:.4f}, bPQ {figures["bPQ"]:.4f}, AJI {figures["AJI"]:.4f}')
    return figures


def run_step(config: str, folder: Path, options: Sequence[str] = ()) -> None:
    """Run a step to its ``metrics.json``; what an earlier call has finished is kept.

    Args:
        config: File of the step's config.
        folder: The step's folder.
        options: More arguments for tools/train.py.
    """
    if (folder / METRICS_NAME).is_file():
        print(f'{folder.name}: done already')
        return
    cfg = Config.fromfile(config)
    source = find_training(as_trained(config, options), folder)
    if source is None:
        run_tool('train.py', config, '--work-dir', str(folder), '--resume', *options)
        source = folder
    folder.mkdir(parents=True, exist_ok=True)
    results = folder / 'val-results.json'
    validated = validation_config(cfg, results)
    validated.dump(folder / 'validate.py')
    checkpoint = checkpoint_of(source)
    run_tool('test.py', str(folder / 'validate.py'), str(checkpoint), '--work-dir', str(folder / 'validate'))
    if source != folder:  # a step without a training of its own still needs a record: that of its test
        newest = max((folder / 'validate').glob(f'*/{records.RECORD_NAME}'), key=lambda path: path.stat().st_mtime)
        atomic_write(folder / records.RECORD_NAME, newest.read_bytes())
        atomic_write(folder / f'{folder.name}.py', cfg.pretty_text)  # as the runner leaves it where it trains
    write_metrics(config, folder, results, cfg.val_evaluator.ann_file)


def submitted(folder: Path) -> Path | None:
    """The submission of a step, unless there is none or what it was validated by is newer."""
    zip_path, metrics = folder / ZIP_NAME, folder / METRICS_NAME
    if not zip_path.is_file() or zip_path.stat().st_mtime < metrics.stat().st_mtime:
        return None
    print(f'{folder.name}: submitted already')
    return zip_path


def submit_step(config: str, folder: Path, options: Sequence[str] = ()) -> Path:
    """Predict the test images of a finished step, zip them, and note the score threshold in its record.

    What an earlier call has finished is kept. ``options`` are those that the step was run with.
    """
    # Its own training counts, whatever options it had.
    source = folder if training_record(folder) else find_training(as_trained(config, options), folder)
    if source is None or not (folder / METRICS_NAME).is_file():
        raise FileNotFoundError(f'{folder}: no finished step; run it first')
    if (done := submitted(folder)) is not None:
        return done
    work_dir = folder / 'test'
    run_tool('test.py', config, str(checkpoint_of(source)), '--work-dir', str(work_dir), '--format-only')
    newest = max(work_dir.glob(f'*/{ZIP_NAME}'), key=lambda path: path.stat().st_mtime)
    predictions = f'{Path(RESULTS_NAME).stem}*.json'  # the views' as well
    for earlier in folder.glob(predictions):
        earlier.unlink()
    for results in newest.parent.glob(predictions):
        atomic_write(folder / results.name, results.read_bytes())
    note_threshold(folder)
    return atomic_write(folder / ZIP_NAME, newest.read_bytes())


def note_threshold(folder: Path) -> None:
    """Copy the threshold for a step's label maps to the top of its record."""
    record = records.read_record(folder)
    threshold = record['validation']['label_map_score_threshold']
    records.write_record(folder, {**record, 'label_map_score_threshold': threshold})
