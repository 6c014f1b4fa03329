"""The short form of a record, and what is known of a config without its keys."""

import csv
import json
from pathlib import Path

import pytest

from mmcellseg.reporting import records
from mmcellseg.reporting.comparison import diff_table, table
from mmcellseg.reporting.records import ABSENT

PUBLISHED = Path(__file__).resolve().parents[2] / 'work_dirs/consep'

LOAD, FLIP, CROP = {'type': 'Load'}, {'type': 'Flip', 'prob': 0.5}, {'type': 'Crop', 'size': [8, 8]}
OLD = {'pipeline': [LOAD, FLIP], 'hooks': [{'type': 'A', 'n': 1}], 'model': {'depth': 18, 'neck': {'width': 64}}}
NEW = {'pipeline': [LOAD, CROP, FLIP], 'hooks': [{'type': 'A', 'n': 2}], 'model': {'depth': 50}, 'tta': True}


def test_changes_name_few_keys():
    assert records.changes(OLD, NEW) == {
        'pipeline': [[LOAD, FLIP], [LOAD, CROP, FLIP]],  # other steps: one change, not one of each key behind it
        'hooks.0.n': [1, 2],
        'model.depth': [18, 50],
        'model.neck.width': [64, ABSENT],
        'tta': [ABSENT, True],
    }
    assert records.changes(OLD, OLD) == {}


@pytest.mark.parametrize(
    ('old', 'new'),
    [
        (OLD, NEW),
        (NEW, OLD),
        ({}, NEW),
        ({'a': {}}, {'a': {'b': 1}}),
        ({'a': None}, {}),
        ({'a': [1, 2]}, {'a': [[1], 2]}),
        ({'a': [[1, {'type': 'x'}]]}, {'a': [[2, {'type': 'y', 'b': []}]]}),
    ],
)
def test_changes_say_all_that_a_flat_difference_says(old, new):
    flat = records.difference(records.flatten(old) if old else {}, records.flatten(new))
    assert records.flat_changes(records.changes(old, new)) == {k: v for k, v in flat.items() if k}


def test_layout_is_json_in_few_lines():
    value = {'a': {f'k{i}': i / 7 for i in range(20)}, 'b': {'c': {'d': 'x' * 200}}, 'e': [], 'f': {}, 'g': [{}] * 60}
    text = records.layout(value)
    assert json.loads(text) == value
    filled = [line for line in text.splitlines() if '"k' in line]
    assert len(filled) == 4  # of about 28 letters a number, five in a line
    assert max(map(len, filled)) <= 140
    long = {'pipeline': [[{'type': 'A' * 90}], [{'type': 'B' * 90}]]}
    assert records.layout(long).splitlines()[2:4] == [f'  [{{"type": "{"A" * 90}"}}],', f'  [{{"type": "{"B" * 90}"}}]']


def write(folder, parent, changed, values=None, **facts):
    config = {'file': f'configs/{folder.name}.py', 'parent': parent, 'changed': changed}
    config['sha256'] = records.digest(values) if values else '0'
    content = {'status': 'finished', 'config': config, 'metrics': {'best': {'AP': 0.5}}, **facts}
    records.write_record(folder, content, values)
    return folder


@pytest.fixture
def series(tmp_path):
    """a ← b ← c, and a ← d: each with the change that its leaf makes."""
    write(tmp_path / 'a', ['base1.py', 'base2.py'], {'depth': [50, 18]})
    write(tmp_path / 'b', 'configs/a.py', {'pipe': [[LOAD], [LOAD, FLIP]], 'lr': [0.1, 0.2]})
    write(tmp_path / 'c', 'configs/b.py', {'pipe.1.prob': [0.5, 1.0], 'lr': [0.2, 0.1]})
    write(tmp_path / 'd', 'configs/a.py', {'tta': [ABSENT, True]})
    return tmp_path


def test_tracked_records_are_compared_by_what_their_leaves_change(series):
    runs = [records.read_record(series / name) for name in 'abcd']
    rows = table(runs, ['AP'])
    assert sorted(rows[0]) == sorted(['run', 'lr', 'pipe.1.type', 'pipe.1.prob', 'tta', 'AP', 'status'])
    found = {row[0]: dict(zip(rows[0], row)) for row in rows[1:]}
    assert {name: row['lr'] for name, row in found.items()} == {'a': '0.1', 'b': '0.2', 'c': '0.1', 'd': '0.1'}
    assert {name: row['pipe.1.prob'] for name, row in found.items()} == {'a': '', 'b': '0.5', 'c': '1.0', 'd': ''}
    assert {name: row['tta'] for name, row in found.items()} == {'a': '', 'b': '', 'c': '', 'd': 'true'}
    # The parent of c is read though it was not asked for.
    assert diff_table(runs[2], runs[3])[1:] == [
        ['pipe.1.type', '"Flip"', ''],
        ['pipe.1.prob', '1.0', ''],
        ['tta', '', 'true'],
    ]


def test_a_local_record_beside_a_tracked_one(series):
    """All keys of one are known; it is compared with the other by those that are known of both."""
    values = {'depth': 18, 'lr': 0.4, 'pipe.0.type': 'Load', 'unknown.there': 3}
    write(series / 'e', 'configs/a.py', {'lr': [0.1, 0.4]}, values)
    runs = [records.read_record(series / name) for name in 'be']
    assert runs[1]['config']['values'] == values
    assert table(runs)[0] == ['run', 'pipe.1.type', 'pipe.1.prob', 'lr', 'AP', 'status']


def test_keys_of_another_run_beside_a_record_are_not_its_own(series):
    (series / 'b' / 'config.json').write_text(json.dumps({'lr': 99}))
    assert records.read_record(series / 'b')['config']['values']['lr'] == 0.2


def test_a_record_that_holds_its_keys_reads_and_keeps_them(tmp_path):
    content = {'status': 'unfinished', 'config': {'file': 'c.py', 'values': {'model.depth': 18}}}
    (tmp_path / 'record.json').write_text(json.dumps(content))
    records.mark_failed(tmp_path, 'E: x')
    found = records.read_record(tmp_path)
    assert (found['config']['values'], found['error']) == ({'model.depth': 18}, 'E: x')


def test_a_records_keys_make_room_with_it(tmp_path):
    write(tmp_path, None, {}, {'lr': 1}, time={'started': '2024-05-06T07:08:09'})
    kept = records.set_aside(tmp_path)
    assert kept.name == 'record_20240506070809.json'
    assert records.read_record(kept)['config']['values'] == {'lr': 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ['config_20240506070809.json', kept.name]


def test_published_records_are_short_and_whole():
    paths = sorted(PUBLISHED.glob('*/record.json'))
    assert len(paths) >= 33
    rows = {row['run']: row for row in csv.DictReader((PUBLISHED / 'results.csv').read_text().splitlines())}
    for path in paths:
        record = records.read_record(path)
        assert len(path.read_text().splitlines()) <= 80, path
        leaf = Path(record['config']['file']).stem
        assert path.parent.name == (f'{leaf}_cv' if record['kind'] == 'cross-validation' else leaf)
        assert record['validation']['metrics'].keys() == records.short_figures(record['validation']['metrics']).keys()
        assert float(rows[path.parent.name]['segm_AP50']) == round(record['validation']['metrics']['segm_AP50'], 4)
        assert record['code'].keys() >= {'commit', 'dirty'}
        assert record['data']
