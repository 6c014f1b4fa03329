"""The record of a run: what a folder of ``work_dirs`` says of itself, and how two of them differ.

``record.json`` is short enough to be read and tracked. The flat keys of the run's whole config lie beside it in
``config.json``, which is not tracked: where it is gone, the keys in which a leaf differs from its parent, followed
from record to record, tell how runs differ.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ..structures.files import atomic_write
from ..structures.json_file import read_json
from ..structures.run_files import RECORD_NAME

CONFIG_NAME = 'config.json'
ABSENT = '<absent>'
# What a published record keeps of a validation, besides the AP50 of each class.
FIGURES = ('segm_AP50', 'segm_AP', 'segm_AP75', 'bbox_AP50', 'bbox_AP', 'PQ', 'mPQ+', 'bPQ', 'AJI', 'Dice', 'F1')
_WIDTH = 140


class RecordError(RuntimeError):
    """A record that cannot be read, or that belongs to another experiment."""


def _nested(value: Any) -> bool:
    """Whether a list holds dicts or lists."""
    return isinstance(value, list | tuple) and any(isinstance(item, Mapping | list | tuple) for item in value)


def flatten(value: Any, prefix: str = '') -> dict[str, Any]:
    """Nested dicts, and lists that hold dicts, as ``{'model.backbone.depth': 50, …}``; other lists are values."""
    if not (_nested(value) or (isinstance(value, Mapping) and value)):
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
        flat |= flatten(item, f'{prefix}.{key}' if prefix else str(key))
    return flat


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, list]:
    """``{key: [old value, new value]}`` of two flat dicts, for the keys that differ."""
    pairs = {key: [old.get(key, ABSENT), new.get(key, ABSENT)] for key in [*old, *new]}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def _kind(item: Any) -> Any:
    return item.get('type', dict) if isinstance(item, Mapping) else type(item)


def changes(old: Any, new: Any, prefix: str = '') -> dict[str, list]:
    """The difference of two nested configs in few keys: a list of other steps (a pipeline, hooks) is one change."""
    sides = [{} if value == ABSENT else value for value in (old, new)]
    if all(isinstance(side, Mapping) for side in sides) and (not prefix or {} not in (old, new)):
        keys = dict.fromkeys(key for side in sides for key in side)
        pairs = {str(key): tuple(side.get(key, ABSENT) for side in sides) for key in keys}
    elif _nested(old) and _nested(new) and list(map(_kind, old)) == list(map(_kind, new)):
        pairs = {str(k): pair for k, pair in enumerate(zip(old, new, strict=True))}
    else:
        return {} if old == new else {prefix: [old, new]}
    found: dict[str, list] = {}
    for key, (a, b) in pairs.items():
        found |= changes(a, b, f'{prefix}.{key}' if prefix else key)
    return found


def flat_changes(changed: Mapping[str, list]) -> dict[str, list]:
    """What :func:`changes` says, as the :func:`difference` of the flat keys."""
    found: dict[str, list] = {}
    for key, pair in changed.items():
        old, new = ({} if value == ABSENT else flatten(value, key) for value in pair)
        found |= difference(old, new)
    return found


def difference_lines(differing: Mapping[str, list]) -> str:
    """A :func:`difference` for people, a line each key."""
    return '\n'.join(f'  {key}: {old!r} there, {new!r} now' for key, (old, new) in differing.items())


def digest(values: Mapping[str, Any]) -> str:
    """Hash of a config's flat keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def short_figures(metrics: Mapping[str, float]) -> dict[str, float]:
    """Those of a validation's figures that a published record keeps, to six decimals."""
    chosen = [key for key in FIGURES if key in metrics] + [key for key in metrics if key.startswith('segm_AP50_')]
    return {key: round(metrics[key], 6) for key in chosen}


def layout(value: Any, indent: int = 0) -> str:
    """JSON in few lines: what fits in a line is on one, such values fill their lines, and a list is never broken."""
    whole = json.dumps(value)
    if isinstance(value, list) and len(whole) + indent > _WIDTH and all(map(_nested, value)):
        return f'[\n{" " * indent} {layout(value[0])},\n{" " * indent} {layout(value[1])}\n{" " * indent}]'
    if not isinstance(value, dict) or len(whole) + indent <= _WIDTH:
        return whole
    lines: list[str] = []
    for key, item in value.items():
        text = f'{json.dumps(key)}: {layout(item, indent + 1)}'
        unbroken = lines and '\n' not in lines[-1] + text
        if unbroken and len(lines[-1]) + len(text) + indent + 3 <= _WIDTH:
            lines[-1] += f', {text}'
        else:
            lines.append(text)
    space = ' ' * indent
    body = ',\n'.join(f'{space} {line}' for line in lines)
    return f'{{\n{body}\n{space}}}'


def _parse(path: Path) -> dict[str, Any]:
    record = read_json(path, 'record of a run', RecordError)
    if not isinstance(record, dict) or not isinstance(record.get('config'), dict) or 'status' not in record:
        raise RecordError(f'{path}: is no record of a run: it lacks "config" or "status"')
    return record


def _known_keys(path: Path, config: Mapping[str, Any], seen: tuple[Path, ...] = ()) -> dict[str, list]:
    """``{key: [at the first ancestor with a record, in this run]}`` of all keys that differ on the way to a run."""
    keys: dict[str, list] = {}
    if isinstance(config.get('parent'), str):  # one leaf, not a list of bases
        parent = path.parent.parent / Path(config['parent']).stem / RECORD_NAME
        if parent.is_file() and parent not in seen:
            keys = _known_keys(parent, _parse(parent)['config'], (*seen, path))
    for key, (old, new) in flat_changes(config.get('changed', {})).items():
        keys[key] = [keys.get(key, [old])[0], new]
    return keys


def read_record(folder: str | os.PathLike) -> dict[str, Any]:
    """Read a run's record, with all keys of its config (``config.values``) as far as they are known.

    They are in the record itself (ensembles, and records of the first form), in the ``config.json`` beside it, or
    else only those in which the run and its ancestors with a record differ from one another are known: then
    ``config.known`` has them with their values before any difference. ``RecordError`` names a file that is no record.
    """
    path = Path(folder) / RECORD_NAME if Path(folder).is_dir() else Path(folder)
    record = _parse(path)
    record['name'] = path.parent.name
    config = record['config']
    if 'values' in config:
        return record
    try:
        config['values'] = json.loads(path.with_name(path.name.replace('record', 'config', 1)).read_text())
    except (OSError, ValueError):
        config['values'] = None
    if config['values'] is None or digest(config['values']) != config.get('sha256'):
        known = _known_keys(path, config)
        config['known'] = {key: old for key, (old, _) in known.items()}
        config['values'] = {key: new for key, (_, new) in known.items() if new != ABSENT}
    return record


def write_record(folder: str | os.PathLike, record: Mapping[str, Any], values: Mapping[str, Any] | None = None) -> Path:
    """Write a run's record, whole or not at all; ``values`` are the keys of its whole config, written beside it."""
    if values is not None:
        atomic_write(Path(folder) / CONFIG_NAME, json.dumps(values, indent=1) + '\n')
    content = {key: value for key, value in record.items() if key != 'name'}
    if 'sha256' in content['config']:
        content['config'] = {k: v for k, v in content['config'].items() if k not in ('values', 'known')}
    return atomic_write(Path(folder) / RECORD_NAME, layout(json.loads(json.dumps(content, default=str))) + '\n')


def set_aside(folder: str | os.PathLike) -> Path | None:
    """Rename a folder's record, and the keys beside it, by the time it began, to make room for a new one."""
    path = Path(folder) / RECORD_NAME
    if not path.is_file():
        return None
    when = re.sub(r'\D', '', str(json.loads(path.read_text()).get('time', {}).get('started', '')))[:14]
    when = when or datetime.now().strftime('%Y%m%d%H%M%S')
    if path.with_name(CONFIG_NAME).is_file():
        path.with_name(CONFIG_NAME).replace(path.with_name(f'config_{when}.json'))
    return path.replace(path.with_name(f'record_{when}.json'))


def mark_failed(folder: str | os.PathLike, error: str) -> None:
    """Note in a run's unfinished record what ended it; the first note stays."""
    if (Path(folder) / RECORD_NAME).is_file():
        record = read_record(folder)
        if record['status'] == 'unfinished' and 'error' not in record:
            write_record(folder, {**record, 'error': error})
