"""One step of a series of experiments: train, validate, fit the score threshold, predict the test images."""

import ast
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from tqdm import tqdm

from .cross_validation import checkpoint_of, run_tool
from .evaluation.evaluate import evaluate_results
from .evaluation.ground_truth import GroundTruth
from .launch import RESULTS_NAME
from .reporting import ledger
from .structures.files import atomic_write
from .structures.results import read_results

THRESHOLDS = tuple(round(0.05 * k, 2) for k in range(1, 20))
METRICS_NAME = 'metrics.json'


def training_record(folder: Path) -> dict[str, Any] | None:
    """The record of a finished training in a folder, or None."""
    if not (folder / ledger.RECORD_NAME).is_file():
        return None
    record = ledger.read_record(folder)
    return record if record['status'] == 'finished' and record.get('kind') != 'test' else None


def trained_alike(cfg: Config, folder: Path) -> bool:
    """Whether a folder holds a finished run whose training had the same config, whatever it was tested on."""
    record = training_record(folder)
    if record is None:
        return False
    differing = ledger.difference(record['config']['values'], ledger.experiment(cfg))
    # Hooks and the like choose a checkpoint; only what a test may change is left out.
    return all(key.startswith(('val_', 'test_', 'model.test_cfg', 'tta')) for key in differing)


def find_training(cfg: Config, folder: Path) -> Path | None:
    """The run whose weights a step takes: its own, or that of a step beside it that differs in testing only."""
    beside = sorted(path for path in folder.parent.glob('*') if path != folder)
    return next((path for path in (folder, *beside) if trained_alike(cfg, path)), None)


def test_options(cfg: Config) -> list[str]:
    """Options of tools/test.py for a step: ``tta = True`` in its config has it tested on mirrored views."""
    return ['--tta'] if cfg.get('tta') else []


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
    record = ledger.read_record(folder)
    ledger.write_record(folder, {**record, 'about': about(config), 'validation': content})
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
    source = find_training(cfg, folder)
    if source is None:
        run_tool('train.py', config, '--work-dir', str(folder), '--resume', *options)
        source = folder
    folder.mkdir(parents=True, exist_ok=True)
    results = folder / 'val-results.json'
    validated = validation_config(cfg, results)
    validated.dump(folder / 'validate.py')
    checkpoint = checkpoint_of(source)
    options = ['--work-dir', str(folder / 'validate'), *test_options(cfg)]
    run_tool('test.py', str(folder / 'validate.py'), str(checkpoint), *options)
    if source != folder:  # a step without a training of its own still needs a record: that of its test
        newest = max((folder / 'validate').glob(f'*/{ledger.RECORD_NAME}'), key=lambda path: path.stat().st_mtime)
        shutil.copy(newest, folder / ledger.RECORD_NAME)
        atomic_write(folder / f'{folder.name}.py', cfg.pretty_text)  # as the runner leaves it where it trains
    write_metrics(config, folder, results, cfg.val_evaluator.ann_file)


def submit_step(config: str, folder: Path) -> Path:
    """Predict the test images of a finished step, zip them, and note the score threshold in its record."""
    cfg = Config.fromfile(config)
    # Its own training counts though options of tools/train.py, or want of an accelerator, have changed the config.
    source = folder if training_record(folder) else find_training(cfg, folder)
    if source is None or not (folder / METRICS_NAME).is_file():
        raise FileNotFoundError(f'{folder}: no finished step; run it first')
    work_dir = folder / 'test'
    run_tool(
        'test.py', config, str(checkpoint_of(source)), '--work-dir', str(work_dir), '--format-only', *test_options(cfg)
    )
    newest = max(work_dir.glob('*/submission.zip'), key=lambda path: path.stat().st_mtime)
    for results in newest.parent.glob(f'{Path(RESULTS_NAME).stem}*.json'):  # the views' as well
        shutil.copy(results, folder)
    note_submission(folder, newest)
    return folder / 'submission.zip'


def note_submission(folder: Path, zip_path: Path) -> None:
    """Copy a submission into a step's folder, and the threshold for its label maps to the top of the record."""
    target = folder / 'submission.zip'
    if zip_path.resolve() != target.resolve():
        shutil.copy(zip_path, target)
    record = ledger.read_record(folder)
    threshold = record['validation']['label_map_score_threshold']
    ledger.write_record(folder, {**record, 'label_map_score_threshold': threshold})
