"""What a run's folder holds for the report: record, config, log, predictions, annotations; and what it lacks."""

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...ensemble.members import find_results
from ...structures.results import ResultsError
from ...structures.run_files import ENSEMBLE_NAME, RECORD_NAME, RESULTS_NAME, VALIDATION_NAME, newest
from ..records import RecordError, read_record
from ..run_log import Run, RunLogError, read_run

_PROJECT = Path(__file__).resolve().parents[3]


@dataclass
class Source:
    """A run, a cross-validation or an ensemble, as far as it is there."""

    name: str
    record: dict[str, Any] | None = None
    runs: list[Run] = field(default_factory=list)  # curves of the run itself, or of each fold
    results: Path | None = None  # predictions of annotated images
    ann_files: list[Path] = field(default_factory=list)  # of these images; those of several folds are put together
    train_file: Path | None = None  # the annotations that it was trained on
    ensemble: dict[str, Any] | None = None  # what tools/ensemble.py wrote of the members, fusion and images
    folds: list[dict[str, float]] = field(default_factory=list)  # the figures of each
    missing: list[str] = field(default_factory=list)  # sentences on what is not there

    @property
    def score_threshold(self) -> float | None:
        """The one that the run's record fitted."""
        return ((self.record or {}).get('validation') or {}).get('label_map_score_threshold')


def located(path: str | os.PathLike) -> Path:
    """A file of a record: records name those of the project from its root."""
    return Path(path) if Path(path).is_file() else _PROJECT / path


def _read(path: Path, missing: list[str]) -> Any:
    """The content of a file; None, and a sentence in ``missing``, if it cannot be read."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        missing.append(f'{path.name} cannot be read: {error}.')
        return None


def _record(folder: Path, missing: list[str]) -> dict[str, Any] | None:
    try:
        return read_record(folder)
    except RecordError as error:
        missing.append(f'No record of what was run: {error}.')
        return None


def _data_files(record: dict[str, Any] | None) -> list[Path]:
    return [located(path) for path in (record or {}).get('data') or {}]


def _predictions(folder: Path) -> Path | None:
    own = [folder / name for name in (VALIDATION_NAME, 'oof-results.json', 'results.json')]
    found = [path for path in own if path.is_file()]
    found += filter(None, [newest(folder, VALIDATION_NAME), newest(folder / 'validate', RESULTS_NAME)])
    try:
        return found[0] if found else find_results(folder)
    except ResultsError:
        return None


def read_source(path: str | os.PathLike, ann_file: str | os.PathLike | None = None) -> Source:
    """What there is of a run's folder, or of a predictions file."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f'{path}: there is no such folder; give the folder of a run or ensemble, or predictions'
        )
    source = Source(path.stem if path.is_file() else path.resolve().name)
    if path.is_file():
        source.results = path
    else:
        _read_folder(source, path)
    if source.results is None:
        source.missing.append('No predictions of annotated images: tools/test.py --val writes them.')
        return source
    source.ann_files = [Path(ann_file)] if ann_file else source.ann_files
    lacking = [str(file) for file in source.ann_files if not file.is_file()]
    if lacking or not source.ann_files:
        files = f' ({", ".join(lacking)})' if lacking else ''
        source.missing.append(f'No annotations of the predicted images{files}: give them with --ann.')
        source.ann_files = []
    return source


def _read_folder(source: Source, path: Path) -> None:
    """Record, logs, predictions and annotations of a run's folder."""
    if (path / ENSEMBLE_NAME).is_file():
        source.ensemble = _read(path / ENSEMBLE_NAME, source.missing)
    source.results = _predictions(path)
    folds = sorted(path.glob('fold*/record.json'), key=lambda file: (len(str(file)), str(file)))
    for folder in (file.parent for file in folds):
        record = _record(folder, source.missing)
        source.record = source.record or record
        source.ann_files += _data_files(record)[1:2]  # that it was validated on
        _read_log(source, folder, f'{source.name} {folder.name}')
    if folds:
        content = _read(path / 'cross-validation.json', source.missing)
        source.folds = content['folds'] if content else []
        return
    if (path / RECORD_NAME).is_file() or not source.ensemble:
        source.record = _record(path, source.missing)
    kind, data = (source.record or {}).get('kind'), _data_files(source.record)
    if source.ensemble:
        source.ann_files = [located(source.ensemble['ann_file'])]
        return
    if kind != 'ensemble':
        _read_log(source, path, source.name)
    if source.results is not None:
        tested = source.results.with_name(RECORD_NAME)
        of_test = _data_files(_record(tested.parent, [])) if tested.parent != path and tested.is_file() else []
        source.train_file = data[0] if data and kind == 'train' else None
        source.ann_files = of_test[-1:] or data[1:] or data[-1:]


def _read_log(source: Source, folder: Path, name: str) -> None:
    try:
        run = read_run(folder)
    except RunLogError as error:
        with suppress(RunLogError):  # without a metric of this name there is a loss
            source.runs.append(replace(read_run(folder, 'val_loss'), name=name))
        source.missing.append(f'Learning curves: {error}.')
        return
    source.runs.append(replace(run, name=name))
    curves = {'train loss': run.train_loss, 'val loss': run.val_loss, 'train AP': run.train_ap, 'val AP': run.val_ap}
    empty = [curve for curve, points in curves.items() if not points]
    sentence = f'Not in the log: {", ".join(empty)}.'
    if empty and sentence not in source.missing:  # folds lack the same
        source.missing.append(sentence)
