"""One step of a series of experiments: train, validate, fit the score threshold, predict the test images.

A step that trains nothing says whose weights it takes: ``weights = 's20'`` in its config names the leaf beside it that
begins so. One that trains on all labelled images says whose validation it takes: ``validated_by``.
"""

import ast
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..components import provenance
from ..components import record as ledger
from ..evaluation.evaluate import evaluate_results, sweep_score_thresholds
from ..evaluation.ground_truth import GroundTruth
from ..reporting import records
from ..reporting.comparison import table, to_csv
from ..structures.files import atomic_write
from ..structures.results import read_results
from ..structures.run_files import (
    METRICS_NAME,
    RECORD_NAME,
    RESULTS_NAME,
    VALIDATION_NAME,
    ZIP_NAME,
    checkpoint_of,
    has_checkpoint,
    newest,
)
from .outputs import set_validation
from .processes import run_tool

THRESHOLDS = tuple(round(0.05 * k, 2) for k in range(1, 20))
# Columns of the table of a series, before the figures.
COLUMNS = ('about', 'kind', 'weights', 'seed', 'commit', 'dirty', 'label_map_score_threshold', 'wall_s')


def is_trained(folder: Path) -> bool:
    """Whether a folder holds the record of a finished training, and its weights (a clone has only the record)."""
    if not (folder / RECORD_NAME).is_file():
        return False
    record = records.read_record(folder)
    return record['status'] == 'finished' and record.get('kind', 'train') == 'train' and has_checkpoint(folder)


def weights_leaf(config: str | Path, name: str) -> Path:
    """The leaf beside a config that ``weights = name`` means; it must be one, and train."""
    here = Path(config).parent
    leaves = sorted({*here.glob(f'{name}.py'), *here.glob(f'{name}_*.py')})
    if len(leaves) != 1:
        found = ', '.join(path.name for path in leaves) or 'none'
        raise ValueError(
            f'{config}: weights = {name!r}: expected one leaf {name}.py or {name}_….py beside it, found {found}'
        )
    if (further := Config.fromfile(leaves[0]).get('weights')) is not None:
        raise ValueError(
            f'{config}: weights = {name!r}: {leaves[0].name} takes those of {further!r}; name the step that trained'
        )
    return leaves[0]


def weights_of(config: str | Path, cfg: Config, folder: Path) -> Path | None:
    """The folder of the step whose weights a step takes, beside its own; None if it trains its own.

    Raises ``ValueError`` as :func:`weights_leaf`, ``FileNotFoundError`` if that step is not trained.
    """
    if (name := cfg.get('weights')) is None:
        return None
    leaf = weights_leaf(config, name)
    source = folder.parent / leaf.stem
    if not is_trained(source):
        raise FileNotFoundError(
            f'{config}: weights = {name!r}: expected a finished training and its checkpoint in {source}; first run '
            f'tools/run_step.py {leaf}'
        )
    return source


def borrowed_validation(config: str | Path, cfg: Config, folder: Path) -> dict[str, Any] | None:
    """The validation of another record, for a step that trains on all labelled images and has none left for one.

    ``validated_by`` in its config names that record's folder, beside its own: a cross-validation of the same recipe.
    None if the config has no such key. ``FileNotFoundError`` if there is no such record.
    """
    if (name := cfg.get('validated_by')) is None:
        return None
    source = folder.parent / name
    validation = records.read_record(source).get('validation') if (source / RECORD_NAME).is_file() else None
    if validation is None:
        raise FileNotFoundError(
            f'{config}: validated_by = {name!r}: expected {source / RECORD_NAME} with a validation; first run '
            f'tools/cross_validate.py with --work-dir {source}'
        )
    return {'of': name, **validation}


def check_publishable(folder: Path) -> None:
    """Refuse (``RuntimeError``) to write a record that git would track from code that git does not hold."""
    if not provenance.is_published(folder):
        return
    changes = provenance.changed_files()
    if changes:
        raise RuntimeError(
            f'{folder}: its record would be tracked, but {", ".join(changes[:5])}{" …" if changes[5:] else ""} '
            f'{"differs" if len(changes) == 1 else "differ"} from the commit; commit first, or give another --work-dir'
        )
    if (folder / RECORD_NAME).is_file():
        record = records.read_record(folder)
        if record['code'].get('dirty') and 'validation' not in record:
            raise RuntimeError(
                f'{folder}: its record would be tracked, but its training began with changes to commit '
                f'{record["code"]["commit"]}; move the folder away to train again, or give another --work-dir'
            )


def fit_score_threshold(results: Path, ann_file: str, key: str = 'bPQ') -> tuple[float, dict[str, float]]:
    """The score threshold of :data:`THRESHOLDS` with the best label-map figure, and all figures taken at it.

    Of equally good thresholds the lowest. What is fitted here is fitted on these images: judge it on others.
    """
    gt, entries = GroundTruth(ann_file), read_results(results)
    scored = sweep_score_thresholds(entries, gt, THRESHOLDS)
    best = max(THRESHOLDS, key=lambda t: (-math.inf if math.isnan(scored[t][key]) else scored[t][key], -t))
    return best, {**evaluate_results(entries, gt, metrics=('bbox', 'segm')), **scored[best]}


def about(config: str | Path) -> str:
    """The first line of a config's docstring: what the step tries."""
    return (ast.get_docstring(ast.parse(Path(config).read_text())) or '').partition('\n')[0]


def finish_step(
    config: str | Path, folder: Path, record: Mapping[str, Any], ann_file: str, results: Path | None = None
) -> float:
    """Score a step's validation predictions; write all figures to ``metrics.json``, and the step's short record.

    Where the record is tracked, so is ``results.csv`` beside it, a row a step of the series. ``results`` is by
    default the validation's predictions file. Returns the score threshold.
    """
    threshold, figures = fit_score_threshold(results or folder / VALIDATION_NAME, ann_file)
    images = sorted(image['file_name'] for image in json.loads(Path(ann_file).read_text())['images'])
    validation = {
        'ann_file': Path(ann_file).name,
        'images': images if len(images) <= 20 else len(images),
        'label_map_score_threshold': threshold,
        'metrics': records.short_figures(figures),
    }
    _publish(config, folder, record, validation, figures)
    return threshold


def _publish(
    config: str | Path, folder: Path, record: Mapping[str, Any], validation: Mapping[str, Any], figures: Mapping
) -> None:
    check_publishable(folder)
    best = (record.get('metrics') or {}).get('best') or {}
    short = {'status': record['status'], 'kind': record['kind'], 'about': about(config), **record}
    short['metrics'] = {'best': {key: best[key] for key in ('epoch', 'iter', 'cell/segm_AP50') if key in best}}
    records.write_record(folder, {**short, 'validation': validation})
    content = {**validation, 'metrics': figures}
    del content['images']
    atomic_write(folder / METRICS_NAME, json.dumps(content, indent=1) + '\n')
    if provenance.is_published(folder):
        found = [records.read_record(path.parent) for path in sorted(folder.parent.glob(f'*/{RECORD_NAME}'))]
        found = [record for record in found if 'validation' in record]
        keys = dict.fromkeys(key for record in found for key in record['validation']['metrics'])
        atomic_write(folder.parent / 'results.csv', to_csv(table(found, list(keys), columns=COLUMNS)))
    print(f'{folder.name}: AP50 {figures["segm_AP50"]:.4f}, bPQ {figures["bPQ"]:.4f}, AJI {figures["AJI"]:.4f}')


def is_finished(folder: Path) -> bool:
    """Whether a step has its ``metrics.json``; said then."""
    if done := (folder / METRICS_NAME).is_file():
        print(f'{folder.name}: done already')
    return done


def run_step(config: str, folder: Path, options: Sequence[str] = ()) -> None:
    """Run a step to its ``metrics.json``; what an earlier call has finished is kept. ``options`` go to train.py."""
    if is_finished(folder):
        return
    cfg = Config.fromfile(config)
    source = weights_of(config, cfg, folder)
    borrowed = borrowed_validation(config, cfg, folder)
    check_publishable(folder)
    if source is None and not is_trained(folder):
        begin = cfg.get('load_from')
        if begin and '://' not in begin and not has_checkpoint(folder) and not Path(begin).is_file():
            raise FileNotFoundError(f'{config}: load_from = {begin!r} is not there; first run the step that writes it')
        run_tool('train.py', config, '--work-dir', str(folder), '--resume', *options)
    if borrowed is not None:
        _publish(config, folder, records.read_record(folder), borrowed, borrowed['metrics'])
        return
    folder.mkdir(parents=True, exist_ok=True)
    validated = Config(cfg._cfg_dict.to_dict(), filename=cfg.filename)
    set_validation(validated, str((folder / VALIDATION_NAME).resolve()))
    validated.dump(folder / 'validate.py')
    checkpoint = checkpoint_of(source or folder)
    run_tool('test.py', str(folder / 'validate.py'), str(checkpoint), '--work-dir', str(folder / 'validate'))
    if source is None:
        record = records.read_record(folder)
    else:  # without a training of its own, its test is what is recorded
        record = records.read_record(_newest(folder / 'validate', RECORD_NAME))
        record['config'] = ledger.config_facts(cfg)
        record['weights'] = {'step': source.name, **(record.get('weights') or {})}
        records.write_record(folder, record, ledger.experiment(cfg))
    finish_step(config, folder, record, cfg.val_evaluator.ann_file)


def _newest(folder: Path, name: str) -> Path:
    found = newest(folder, name)
    if found is None:
        raise FileNotFoundError(f'{folder}: no run in it has left a {name}; run the same command again')
    return found


def submitted(folder: Path) -> Path | None:
    """The submission of a finished step, None if there is none or what it was validated by is newer."""
    zip_path, metrics = folder / ZIP_NAME, folder / METRICS_NAME
    if not metrics.is_file():
        raise FileNotFoundError(f'{folder}: no finished step; run it first')
    if not zip_path.is_file() or zip_path.stat().st_mtime < metrics.stat().st_mtime:
        return None
    print(f'{folder.name}: submitted already')
    return zip_path


def submit_step(config: str, folder: Path) -> Path:
    """Predict the test images of a finished step and zip them; what an earlier call has finished is kept."""
    if (done := submitted(folder)) is not None:
        return done
    source = weights_of(config, Config.fromfile(config), folder) or folder
    work_dir = folder / 'test'
    run_tool('test.py', config, str(checkpoint_of(source)), '--work-dir', str(work_dir), '--format-only')
    zipped = _newest(work_dir, ZIP_NAME)
    predictions = f'{Path(RESULTS_NAME).stem}*.json'  # the views' as well
    for earlier in folder.glob(predictions):
        earlier.unlink()
    for results in zipped.parent.glob(predictions):
        atomic_write(folder / results.name, results.read_bytes())
    return atomic_write(folder / ZIP_NAME, zipped.read_bytes())
