"""The record of a run: what a folder of ``work_dirs`` says of itself, and how two of them differ."""

import json
import os
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ..structures.files import atomic_write

RECORD_NAME = 'record.json'
ABSENT = '<absent>'


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


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, list]:
    """``{key: [old value, new value]}`` of two flat dicts, for the keys that differ."""
    keys = [*old, *(key for key in new if key not in old)]
    pairs = ((key, [old.get(key, ABSENT), new.get(key, ABSENT)]) for key in keys)
    return {key: pair for key, pair in pairs if pair[0] != pair[1]}


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
