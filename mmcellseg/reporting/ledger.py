"""The ledger of experiments: a run is its config's keys.

Every run's folder holds a ``record.json`` (written by ``RecordHook``); these functions make, read and write them.
"""

import ast
import json
import os
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..structures.files import atomic_write

RECORD_NAME = 'record.json'
ABSENT = '<absent>'
HERE = f'{Path(__file__).resolve().parents[2]}{os.sep}'
# What makes an experiment; the variables of a config that no component reads, and how a run is started, do not.
EXPERIMENT_KEYS = (
    *('model', 'data_preprocessor', 'train_dataloader', 'val_dataloader', 'test_dataloader', 'train_cfg', 'val_cfg'),
    *('test_cfg', 'val_evaluator', 'test_evaluator', 'optim_wrapper', 'param_scheduler', 'auto_scale_lr', 'sync_bn'),
    *('default_hooks', 'custom_hooks', 'randomness', 'load_from', 'runner_type', 'tta_model', 'tta_pipeline', 'tta'),
)


class RecordError(RuntimeError):
    """A record that cannot be read, or that belongs to another experiment."""


def flatten(value: Any, prefix: str = '') -> dict[str, Any]:
    """Nested dicts, and lists that hold dicts, as ``{'model.backbone.depth': 50, …}``; other lists are values."""
    items: Iterable[tuple[Any, Any]]
    if isinstance(value, Mapping) and value:
        items = value.items()
    elif isinstance(value, list | tuple) and any(isinstance(item, Mapping | list | tuple) for item in value):
        items = enumerate(value)
    else:
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, item in items:
        flat.update(flatten(item, f'{prefix}.{key}' if prefix else str(key)))
    return flat


def experiment(cfg: Config | Mapping) -> dict[str, Any]:
    """The flat keys of a config that make the experiment, as JSON values."""
    values = cfg.to_dict() if isinstance(cfg, Config) else cfg
    if values.get('resume'):  # load_from is the checkpoint that a resumed run goes on from
        values = {**values, 'load_from': values.get('begun_from')}
    chosen = {key: values[key] for key in EXPERIMENT_KEYS if values.get(key) is not None}
    flat = flatten(json.loads(json.dumps(chosen, default=str)))
    # Folders of the project count from there, whatever the working directory was.
    return {key: value.removeprefix(HERE) if isinstance(value, str) else value for key, value in flat.items()}


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, list]:
    """``{key: [old value, new value]}`` of two flat dicts, for the keys that differ."""
    keys = [*old, *(key for key in new if key not in old)]
    pairs = ((key, [old.get(key, ABSENT), new.get(key, ABSENT)]) for key in keys)
    return {key: pair for key, pair in pairs if pair[0] != pair[1]}


def parent_config(path: str | os.PathLike) -> Config | None:
    """What the ``_base_`` files of a config give together, or None if it has none."""
    path = Path(path)
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], 'id', None) == '_base_':
            bases = ast.literal_eval(node.value)
            bases = [bases] if isinstance(bases, str) else bases
            whole = [base if '::' in base else str((path.parent / base).resolve()) for base in bases]
            return Config.fromstring(f'_base_ = {whole!r}', '.py') if whole else None
    return None


def config_differences(cfg: Config) -> dict[str, dict[str, list]]:
    """How a run's config differs from its file, and its file from the files it builds on.

    Options are merged into a config before anything else sees it, so the file is read again.
    """
    if cfg.filename is None or not Path(cfg.filename).is_file():
        return {'from_parents': {}, 'from_command_line': {}}
    file = Config.fromfile(cfg.filename)
    parents = parent_config(cfg.filename)
    return {
        'from_parents': {} if parents is None else difference(experiment(parents), experiment(file)),
        'from_command_line': difference(experiment(file), experiment(cfg)),
    }


def read_record(folder: str | os.PathLike) -> dict[str, Any]:
    """Read a run's record; raises :class:`RecordError` that names the file if it is none."""
    path = Path(folder) / RECORD_NAME if Path(folder).is_dir() else Path(folder)
    try:
        record = json.loads(path.read_text())
    except FileNotFoundError:
        raise RecordError(f'{path}: there is no record of a run') from None
    except ValueError as error:
        raise RecordError(f'{path}: is no JSON ({error})') from error
    if not isinstance(record, dict) or 'config' not in record or 'status' not in record:
        raise RecordError(f'{path}: is no record of a run: it lacks "config" or "status"')
    record['name'] = path.parent.name
    return record


def write_record(folder: str | os.PathLike, record: Mapping[str, Any]) -> Path:
    """Write a run's record, whole or not at all."""
    content = {key: value for key, value in record.items() if key != 'name'}
    return atomic_write(Path(folder) / RECORD_NAME, json.dumps(content, indent=1, default=str) + '\n')


def difference_lines(differing: Mapping[str, list]) -> str:
    """A :func:`difference` for people, a line each key."""
    return '\n'.join(f'  {key}: {old!r} there, {new!r} now' for key, (old, new) in differing.items())


def check_folder(folder: str | os.PathLike, cfg: Config, allowed: bool) -> dict[str, list]:
    """Refuse a folder that holds the record of another experiment, unless it is ``allowed``.

    Returns the differing keys (``{}`` if the folder is free or holds the same experiment).
    """
    if not (Path(folder) / RECORD_NAME).is_file():
        return {}
    differing = difference(read_record(folder)['config']['values'], experiment(cfg))
    if differing and not allowed:
        raise RecordError(
            f'{Path(folder) / RECORD_NAME} belongs to another experiment:\n{difference_lines(differing)}\n'
            'Give --work-dir for another folder, --resume to go on with these changes, or --overwrite'
        )
    return differing


def set_aside(folder: str | os.PathLike) -> Path | None:
    """Rename a folder's record by the time it began, to make room for a new one."""
    path = Path(folder) / RECORD_NAME
    if not path.is_file():
        return None
    began = re.sub(r'\D', '', str(json.loads(path.read_text()).get('time', {}).get('started', '')))[:14]
    target = path.with_name(f'record_{began or datetime.now().strftime("%Y%m%d%H%M%S")}.json')
    return path.replace(target)


def mark_failed(folder: str | os.PathLike, error: str) -> None:
    """Note in a run's unfinished record what ended it."""
    if (Path(folder) / RECORD_NAME).is_file():
        record = read_record(folder)
        if record['status'] == 'unfinished':
            write_record(folder, {**record, 'error': error})
