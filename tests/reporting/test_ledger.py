"""Runs as records: flat keys, differences, tables."""

import runpy
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

from mmcellseg.reporting import ledger
from mmcellseg.reporting.ledger import ABSENT, RecordError

TOOL = Path(__file__).resolve().parents[2] / 'tools/analysis_tools/compare_runs.py'


def test_flatten_goes_into_dicts_and_lists_of_them():
    value = {'a': {'b': 1, 'c': [1, 2]}, 'd': [{'e': 1}, {'e': 2}], 'f': {}, 'g': [[0, 1], 2], 'h': []}
    expected = {'a.b': 1, 'a.c': [1, 2], 'd.0.e': 1, 'd.1.e': 2, 'f': {}, 'g.0': [0, 1], 'g.1': 2, 'h': []}
    assert ledger.flatten(value) == expected


def test_difference_names_what_changed_came_and_went():
    assert ledger.difference({'a': 1, 'b': None, 'c': 3}, {'a': 2, 'b': None, 'd': 4}) == {
        'a': [1, 2],
        'c': [3, ABSENT],
        'd': [ABSENT, 4],
    }
    # None is a value.
    assert ledger.difference({}, {'b': None}) == {'b': [ABSENT, None]}


def test_an_experiment_is_what_components_read():
    cfg = Config(
        {
            'model': {'type': 'A', 'sizes': (1, 2)},
            'anchors': {'unused': 1},
            'work_dir': 'x',
            'randomness': {'seed': 0},
            'load_from': 'w.pth',
            'val_dataloader': None,
        }
    )
    expected = {'model.type': 'A', 'model.sizes': [1, 2], 'randomness.seed': 0, 'load_from': 'w.pth'}
    assert ledger.experiment(cfg) == expected
    # A resumed run starts from its own checkpoint.
    assert 'load_from' not in ledger.experiment({**cfg.to_dict(), 'resume': True})
    # The same data, wherever the tool was called.
    inside = {'train_dataloader': {'dataset': {'data_root': f'{ledger.HERE}data/cells'}}}
    assert ledger.experiment(inside) == {'train_dataloader.dataset.data_root': 'data/cells'}


@pytest.fixture
def leaf(tmp_path):
    """A leaf on two bases, one of which has a base itself."""
    (tmp_path / 'base').mkdir()
    (tmp_path / 'base/root.py').write_text("model = dict(type='A', depth=18, neck=dict(width=64))\n")
    (tmp_path / 'base/model.py').write_text("_base_ = 'root.py'\nmodel = dict(depth=50)\n")
    (tmp_path / 'base/schedule.py').write_text("optim_wrapper = dict(type='O', lr=0.1)\nwarmup = 5\n")
    path = tmp_path / 'leaf.py'
    bases = "_base_ = ['base/model.py', './base/schedule.py']\n"
    path.write_text(bases + 'model = dict(neck=dict(width=32))\nrandomness = dict(seed=3)\n')
    return path


def test_differences_from_the_parents_and_from_the_command_line(leaf):
    cfg = Config.fromfile(leaf)
    cfg.merge_from_dict({'optim_wrapper.lr': 0.2, 'randomness.seed': 0})
    cfg.work_dir = 'somewhere'
    assert ledger.config_differences(cfg) == {
        'from_parents': {'model.neck.width': [64, 32], 'randomness.seed': [ABSENT, 3]},
        'from_command_line': {'optim_wrapper.lr': [0.1, 0.2], 'randomness.seed': [3, 0]},
    }


def test_a_config_without_parents_or_without_a_file(leaf):
    root = Config.fromfile(leaf.parent / 'base/root.py')
    assert ledger.config_differences(root) == {'from_parents': {}, 'from_command_line': {}}
    assert ledger.config_differences(Config({'model': {}})) == {'from_parents': {}, 'from_command_line': {}}


def record(folder, values, best=None, **extra):
    config = {'values': values, 'differences': {}}
    content = {'status': 'finished', 'config': config, 'metrics': {'best': best, 'last': best}, **extra}
    ledger.write_record(folder, content)
    return ledger.read_record(folder)


def test_records_are_read_back_and_named_by_their_folder(tmp_path):
    written = record(tmp_path / 'run', {'a': 1}, {'AP': 0.1 + 0.2})
    assert written['name'] == 'run'
    assert written['metrics']['best'] == {'AP': 0.1 + 0.2}
    assert ledger.read_record(tmp_path / 'run/record.json') == written
    assert [path.name for path in (tmp_path / 'run').iterdir()] == ['record.json']


@pytest.mark.parametrize(
    ('text', 'problem'), [(None, 'there is no record'), ('{"a"', 'is no JSON'), ('[]', 'is no record of a run')]
)
def test_what_is_no_record_names_itself(tmp_path, text, problem):
    if text is not None:
        (tmp_path / 'record.json').write_text(text)
    with pytest.raises(RecordError, match=rf'record\.json: {problem}'):
        ledger.read_record(tmp_path)


def test_a_folder_of_another_experiment_is_refused(tmp_path):
    cfg = Config({'model': {'depth': 50}, 'randomness': {'seed': 1}})
    assert ledger.check_folder(tmp_path, cfg, allowed=False) == {}
    record(tmp_path, {'model.depth': 50, 'randomness.seed': 1})
    assert ledger.check_folder(tmp_path, cfg, allowed=False) == {}
    record(tmp_path, {'model.depth': 18, 'randomness.seed': 0})
    message = r'(?s)another experiment:\n  model.depth: 18 there, 50 now\n  randomness.seed: 0 there, 1 now\n'
    with pytest.raises(RecordError, match=message + '.*--work-dir.*--resume.*--overwrite'):
        ledger.check_folder(tmp_path, cfg, allowed=False)
    assert list(ledger.check_folder(tmp_path, cfg, allowed=True)) == ['model.depth', 'randomness.seed']


def test_a_record_makes_room_under_another_name(tmp_path):
    assert ledger.set_aside(tmp_path) is None
    record(tmp_path, {'a': 1}, time={'started': '2024-05-06T07:08:09'})
    assert ledger.set_aside(tmp_path).name == 'record_20240506070809.json'
    assert [path.name for path in tmp_path.iterdir()] == ['record_20240506070809.json']


def test_only_unfinished_runs_fail(tmp_path):
    record(tmp_path, {})
    ledger.mark_failed(tmp_path, 'E: x')
    assert 'error' not in ledger.read_record(tmp_path)
    record(tmp_path, {}, status='unfinished')
    ledger.mark_failed(tmp_path, 'E: x')
    assert ledger.read_record(tmp_path)['error'] == 'E: x'
    ledger.mark_failed(tmp_path / 'nowhere', 'E: x')


@pytest.fixture
def runs(tmp_path):
    same = {'model.type': 'A', 'train_cfg.max_epochs': 2}
    return [
        record(tmp_path / 'a', {**same, 'model.depth': 18, 'randomness.seed': 0}, {'cell/AP': 0.25, 'cell/PQ': 0.5}),
        record(tmp_path / 'b', {**same, 'model.depth': 50, 'randomness.seed': 0}, {'cell/AP': 0.75}),
        record(tmp_path / 'c', {**same, 'randomness.seed': 1}, status='unfinished'),
    ]


def test_a_table_shows_what_differs(runs):
    assert ledger.table(runs) == [
        ['run', 'model.depth', 'randomness.seed', 'cell/AP', 'cell/PQ', 'status'],
        ['a', '18', '0', '0.2500', '0.5000', 'finished'],
        ['b', '50', '0', '0.7500', '', 'finished'],
        ['c', '', '1', '', '', 'unfinished'],
    ]


@pytest.mark.parametrize(
    ('sort', 'ascending', 'order'),
    [
        ('cell/AP', False, 'bac'),
        ('AP', True, 'abc'),
        ('depth', False, 'bac'),
        ('seed', False, 'cab'),
        ('no', True, 'abc'),
    ],
)
def test_a_table_is_sorted_with_the_unmeasured_last(runs, sort, ascending, order):
    assert ''.join(row[0] for row in ledger.table(runs, sort=sort, ascending=ascending)[1:]) == order


@pytest.mark.parametrize(
    ('conditions', 'kept'),
    [
        (['seed=0'], 'ab'),
        (['seed=0', 'AP>0.5'], 'b'),
        (['AP>=0.25', 'AP<0.75'], 'a'),
        (['model.depth!=18'], 'bc'),
        (['status=unfinished'], 'c'),
        (['name=a'], 'a'),
    ],
)
def test_a_table_is_filtered(runs, conditions, kept):
    assert ''.join(row[0] for row in ledger.table(runs, conditions=conditions)[1:]) == kept


def test_a_condition_that_is_none(runs):
    with pytest.raises(ValueError, match="'seed': expected KEY=VALUE"):
        ledger.table(runs, conditions=['seed'])


def test_chosen_metrics(runs):
    assert ledger.table(runs[:2], ['PQ'])[0] == ['run', 'model.depth', 'PQ', 'status']


def test_markdown_and_csv():
    rows = [['run', 'a|b'], ['x', '1, 2']]
    assert ledger.to_markdown(rows) == '| run | a\\|b |\n|---|---|\n| x | 1, 2 |\n'
    assert ledger.to_csv(rows) == 'run,a|b\nx,"1, 2"\n'


def test_diff_shows_two_runs_key_by_key(runs):
    assert ledger.diff_table(*runs[:2]) == [
        ['key', 'a', 'b'],
        ['model.depth', '18', '50'],
        ['cell/AP', '0.25', '0.75'],
        ['cell/PQ', '0.5', ''],
    ]


def test_the_tool_prints_and_writes(runs, tmp_path, monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *words])
        runpy.run_path(str(TOOL), run_name='__main__')
        return capsys.readouterr().out

    monkeypatch.chdir(tmp_path)
    shown = call('a', 'b', 'c', '--sort', 'AP', '--filter', 'seed=0', '--markdown', 'o/t.md', '--csv', 't.csv')
    assert [line.split('|')[1].strip() for line in shown.splitlines()] == ['run', '---', 'b', 'a']
    assert (tmp_path / 'o/t.md').read_text() == shown
    assert (tmp_path / 't.csv').read_text().splitlines()[2] == 'a,18,0.2500,0.5000,finished'
    assert '| model.depth | 18 | 50 |' in call('--diff', 'a', 'b')
    with pytest.raises(SystemExit, match=r'nowhere: there is no record|nowhere/record\.json: there is no record'):
        call('a', 'nowhere')
    with pytest.raises(SystemExit, match='2'):
        call('a', '--diff', 'a', 'b')


def test_table_into_a_text(tmp_path, capsys, monkeypatch):
    """Chosen columns, figures of the validation before those of the training, names without what all share."""
    for name, ap in (('s01_r18_x', 0.25), ('s02_r18_cw_x', 0.5)):
        (tmp_path / name).mkdir()
        record = {'status': 'finished', 'config': {'values': {'depth': 18}}, 'about': f'Step {name[:3]}.'}
        record |= {'metrics': {'best': {'cell/AP': 0.1}}, 'validation': {'metrics': {'AP': ap}}, 'time': {'wall_s': 60}}
        ledger.write_record(tmp_path / name, record)
    page = tmp_path / 'page.md'
    page.write_text('above\n<!-- results -->\nold\n<!-- end of results -->\nbelow\n')
    words = [*(str(tmp_path / n) for n in ('s01_r18_x', 's02_r18_cw_x')), '--columns', 'about', 'depth', 'wall_s']
    monkeypatch.setattr(sys, 'argv', [str(TOOL), *words, '--metrics', 'AP', 'cell/AP', '--short', '--into', str(page)])
    runpy.run_path(str(TOOL), run_name='__main__')
    rows = [
        '| run | about | depth | wall_s | AP | cell/AP | status |',
        '|---|---|---|---|---|---|---|',
        '| s01 | Step s01. | 18 | 60 | 0.2500 | 0.1000 | finished |',
        '| s02 cw | Step s02. | 18 | 60 | 0.5000 | 0.1000 | finished |',
    ]
    assert capsys.readouterr().out.splitlines() == rows
    assert page.read_text().splitlines() == ['above', '<!-- results -->', *rows, '<!-- end of results -->', 'below']
    page.write_text('<!-- end of results --> <!-- results -->')
    with pytest.raises(SystemExit, match=r'page\.md: expected the marks <!-- results --> and <!-- end of results -->'):
        runpy.run_path(str(TOOL), run_name='__main__')
    assert page.read_text() == '<!-- end of results --> <!-- results -->'
