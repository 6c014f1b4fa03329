"""What a run's folder holds for the report: record, config, log, predictions, annotations; and what it lacks."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
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
    """A run, a cross-validation or an ensemble, as far as it is there.

    Attributes:
        runs: Curves: of the run itself, or of each fold.
        results: Predictions of annotated images.
        ann_files: The annotations of these images; those of several folds are put together.
        train_file: The annotations that it was trained on.
        ensemble: What ``tools/ensemble.py`` wrote of the members, fusion and images.
        folds: The figures of each fold.
        missing: Sentences on what is not there.
    """

    name: str
    record: dict[str, Any] | None = None
    runs: list[Run] = field(default_factory=list)
    results: Path | None = None
    ann_files: list[Path] = field(default_factory=list)
    train_file: Path | None = None
    ensemble: dict[str, Any] | None = None
    folds: list[dict[str, float]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @property
    def score_threshold(self) -> float | None:
        """The one that the run's record fitted."""
        return ((self.record or {}).get('validation') or {}).get('label_map_score_threshold')


def located(path: str | os.PathLike) -> Path:
    """A file of a record: records name those of the project from its root."""
    return Path(path) if Path(path).is_file() else _PROJECT / path


def read_json(path: Path, missing: list[str]) -> Any:
    """The content of a file; None, and a sentence in ``missing``, if it cannot be read."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        missing.append(f'{path.name} cannot be read: {error}.')
        return None


def _predictions(folder: Path) -> Path | None:
    own = [folder / name for name in (VALIDATION_NAME, 'oof-results.json', 'results.json')]
    found = next((path for path in own if path.is_file()), newest(folder, VALIDATION_NAME))
    if found is None and (path := newest(folder / 'validate', RESULTS_NAME)) is not None:
        return path
    try:
        return found or find_results(folder)
    except ResultsError:
        return None


def _data_files(record: dict[str, Any] | None) -> list[Path]:
    return [located(path) for path in (record or {}).get('data') or {}]


def _record(folder: Path, missing: list[str]) -> dict[str, Any] | None:
    try:
        return read_record(folder)
    except RecordError as error:
        missing.append(f'No record of what was run: {error}.')
        return None


def read_source(path: str | os.PathLike, ann_file: str | os.PathLike | None = None) -> Source:
    """What there is of a run's folder, or of a predictions file.

    Raises:
        FileNotFoundError: There is no such folder or file.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f'{path}: there is no such folder; give the folder of a run or ensemble, or predictions'
        )
    given = [Path(ann_file)] if ann_file else []
    if path.is_file():
        source = Source(path.stem, results=path, ann_files=given)
        return source if given else _without_annotations(source)
    source = Source(path.resolve().name)
    if (path / ENSEMBLE_NAME).is_file():
        source.ensemble = read_json(path / ENSEMBLE_NAME, source.missing)
    folds = sorted(path.glob('fold*/record.json'), key=lambda file: int(file.parent.name[4:] or 0))
    if folds:
        _read_folds(source, path, [file.parent for file in folds])
    elif (path / RECORD_NAME).is_file() or not source.ensemble:
        source.record = _record(path, source.missing)
    if not folds and source.ensemble is None and (source.record or {}).get('kind') != 'ensemble':
        _read_log(source, path)
    source.results = _predictions(path)
    if source.results is None:
        source.missing.append('No predictions of annotated images: tools/test.py --val writes them.')
        return source
    beside = source.results.with_name(RECORD_NAME)
    tested = _record(beside.parent, []) if beside.parent != path and beside.is_file() else None
    data = _data_files(source.record)
    if source.ensemble:
        source.ann_files = given or [located(source.ensemble['ann_file'])]
    elif not folds:
        source.train_file = data[0] if data and (source.record or {}).get('kind') == 'train' else None
        source.ann_files = given or _data_files(tested)[-1:] or data[1:] or data[-1:]
    source.ann_files = given or source.ann_files
    lacking = [str(file) for file in source.ann_files if not file.is_file()]
    return _without_annotations(source, ', '.join(lacking)) if lacking or not source.ann_files else source


def _without_annotations(source: Source, files: str = '') -> Source:
    source.missing.append(f'No annotations of the predicted images{files and f" ({files})"}: give them with --ann.')
    source.ann_files = []
    return source


def _read_log(source: Source, folder: Path) -> None:
    try:
        source.runs.append(read_run(folder))
    except RunLogError as error:
        with suppress(RunLogError):  # without a metric of this name there is a loss
            source.runs.append(read_run(folder, 'val_loss'))
        source.missing.append(f'Learning curves: {error}.')
        return
    names = ('train loss', 'val loss', 'train AP', 'val AP')
    empty = [name for name in names if not getattr(source.runs[-1], name.replace(' ', '_').lower())]
    if empty:
        source.missing.append(f'Not in the log: {", ".join(empty)}.')


def _read_folds(source: Source, path: Path, folders: Sequence[Path]) -> None:
    """The curves of all folds, and the annotations that they were validated on."""
    for folder in folders:
        record = _record(folder, source.missing)
        source.record = source.record or record
        source.ann_files += _data_files(record)[1:2]
        _read_log(source, folder)
        if source.runs and source.runs[-1].name == folder.name:
            source.runs[-1].name = f'{source.name} {folder.name}'
    content = read_json(path / 'cross-validation.json', source.missing)
    source.folds = content['folds'] if content else []
