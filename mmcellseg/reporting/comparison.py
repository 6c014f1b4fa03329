"""Runs beside each other: by their differing keys and what they reached, or two of them key by key."""

import csv
import io
import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .records import ABSENT, difference, flatten

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    '!=': operator.ne,
    '>=': operator.ge,
    '<=': operator.le,
    '=': operator.eq,
    '>': operator.gt,
    '<': operator.lt,
}
_FACTS = ('name', 'status', 'kind', 'seed', 'about', 'label_map_score_threshold')


def _measured(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The figures of a run's validation (``run_step.py``), or else the best while training."""
    return (record.get('validation') or {}).get('metrics') or record.get('metrics', {}).get('best') or {}


def look_up(record: Mapping[str, Any], key: str) -> Any:
    """A run's value by its key, or by the unique end of one; ABSENT if there is none.

    First those of its validation (``run_step.py``), then the best metrics while training, the config, the facts.
    """
    validation = record.get('validation') or {}
    metrics = record.get('metrics', {}).get('best') or {}
    facts = {k: source[k] for source in (validation, record) for k in _FACTS if k in source}
    facts |= flatten({key: record.get(key) or {} for key in ('time', 'code')})
    weights = record.get('weights') or {}
    facts['weights'] = weights.get('step') or Path(weights.get('file', '')).parent.name
    for values in (validation.get('metrics') or {}, metrics, record['config'].get('values', {}), facts):
        ends = [full for full in values if full == key or full.endswith((f'.{key}', f'/{key}'))]
        ends = [full for full in ends if full == f'cell/{key}'] or ends  # not a hook's figure of the same name
        if key in values or len(ends) == 1:
            return values[key if key in values else ends[0]]
    return ABSENT


def _parse_condition(condition: str) -> tuple[str, str, str]:
    """Key, sign and text of ``KEY=VALUE`` (also ``!= > < >= <=``); ``ValueError`` if it is none."""
    found = re.fullmatch(r'(.+?)(!=|>=|<=|=|>|<)(.*)', condition)
    if not found:
        raise ValueError(f'{condition!r}: expected KEY=VALUE, or with != > < >= <=')
    return found[1], found[2], found[3]


def _matches(record: Mapping[str, Any], key: str, sign: str, text: str) -> bool:
    """Whether a run meets a condition; the value is read as JSON if it is some."""
    try:
        wanted = json.loads(text)
    except ValueError:
        wanted = text
    value = look_up(record, key)
    return _COMPARE[sign](value, wanted) if sign in ('=', '!=') or type(value) in (int, float) else False


def all_values(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The config of each run as far as all are known.

    Where only the differences of some are known (see ``read_record``), these keys alone can be told: a run that has
    not changed one has the value that others had before their change.
    """
    configs = [record['config'] for record in records]
    known = [config['known'] for config in configs if 'known' in config]
    before = {key: value for keys in reversed(known) for key, value in keys.items()}
    if not known:
        return [config.get('values', {}) for config in configs]
    found = []
    for config in configs:
        values = config.get('values', {})
        found.append({key: values[key] for key in before if key in values})
        if 'known' in config:
            unchanged = {key: old for key, old in before.items() if key not in config['known'] and old != ABSENT}
            found[-1] |= unchanged
    return found


def table(
    records: Sequence[Mapping[str, Any]],
    metrics: Sequence[str] = (),
    sort: str | None = None,
    conditions: Sequence[str] = (),
    columns: Sequence[str] | None = None,
) -> list[list[str]]:
    """Runs by their differing keys and their metrics: a header and one row a run.

    ``columns`` replaces the differing keys. ``metrics`` chooses the metrics (default: all that some run has, of its
    validation by ``run_step.py`` or else while training). ``sort`` is a key or metric, highest first; runs without it
    come last. Only runs that meet all ``conditions`` are in it.
    """
    parsed = [_parse_condition(condition) for condition in conditions]
    asked = [*metrics, *filter(None, [sort]), *(key for key, _, _ in parsed)]
    unknown = [key for key in asked if all(look_up(record, key) == ABSENT for record in records)]
    if unknown and records:
        raise ValueError(f'no run has {", ".join(unknown)}: expected a key of the config or a metric, or its end')
    records = [record for record in records if all(_matches(record, *condition) for condition in parsed)]
    values = all_values(records)
    keys = dict.fromkeys(key for flat in values for key in flat)
    differing = [key for key in keys if len({json.dumps(flat.get(key, ABSENT)) for flat in values}) > 1]
    shown = differing if columns is None else columns
    metrics = list(metrics) or list(dict.fromkeys(key for record in records for key in _measured(record)))
    rows = []
    for record, flat in zip(records, values, strict=True):
        cells = [look_up(record, key) if columns else flat.get(key, ABSENT) for key in shown]
        texts = ['' if c == ABSENT else c if columns and isinstance(c, str) else json.dumps(c) for c in cells]
        numbers = [look_up(record, key) for key in metrics]
        texts += ['' if n == ABSENT else f'{n:.4f}' if isinstance(n, float) else str(n) for n in numbers]
        rows.append([str(record['name']), *texts, record['status']])
    if sort:
        # What is no number, NaN too, compares with none.
        found = [look_up(record, sort) for record in records]
        ranks = [(0, -v, '') if type(v) in (int, float) and v == v else (1, 0, str(v)) for v in found]
        rows = [rows[i] for i in sorted(range(len(rows)), key=ranks.__getitem__)]
    return [['run', *shown, *metrics, 'status'], *rows]


def diff_table(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[list[str]]:
    """Two runs key by key, where they differ: of the config, the data, the versions, the code and the metrics."""

    def everything(record: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
        parts = {key: record.get(key) for key in ('seed', 'processes', 'data', 'versions', 'code', 'hardware')}
        best = record.get('metrics', {}).get('best') or {}
        return {**values, **flatten(parts), **best, **_measured(record)}

    pairs = difference(*map(everything, (a, b), all_values((a, b))))
    rows = [[key, *(json.dumps(value) if value != ABSENT else '' for value in pair)] for key, pair in pairs.items()]
    return [['key', str(a['name']), str(b['name'])], *rows]


def to_markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table as Markdown."""
    clean = [[cell.replace('|', '\\|') for cell in row] for row in rows]
    lines = [f'| {" | ".join(row)} |' for row in clean]
    return '\n'.join([lines[0], f'|{"---|" * len(rows[0])}', *lines[1:]]) + '\n'


def to_csv(rows: Sequence[Sequence[str]]) -> str:
    """A table as CSV."""
    out = io.StringIO()
    csv.writer(out, lineterminator='\n').writerows(rows)
    return out.getvalue()
