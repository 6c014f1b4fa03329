"""Tables of runs: what differs, what was reached, two runs key by key."""

import pytest
from run_records import record

from mmcellseg.reporting import records
from mmcellseg.reporting.comparison import diff_table, look_up, table

TOOL = 'analysis_tools/compare_runs.py'


@pytest.fixture
def runs(tmp_path):
    same = {'model.type': 'A', 'train_cfg.max_epochs': 2}
    return [
        record(tmp_path / 'a', {**same, 'model.depth': 18, 'randomness.seed': 0}, {'cell/AP': 0.25, 'cell/PQ': 0.5}),
        record(tmp_path / 'b', {**same, 'model.depth': 50, 'randomness.seed': 0}, {'cell/AP': 0.75}),
        record(tmp_path / 'c', {**same, 'randomness.seed': 1}, status='unfinished'),
    ]


def test_a_table_shows_what_differs(runs):
    assert table(runs) == [
        ['run', 'model.depth', 'randomness.seed', 'cell/AP', 'cell/PQ', 'status'],
        ['a', '18', '0', '0.2500', '0.5000', 'finished'],
        ['b', '50', '0', '0.7500', '', 'finished'],
        ['c', '', '1', '', '', 'unfinished'],
    ]


@pytest.mark.parametrize(('sort', 'order'), [('AP', 'bac'), ('depth', 'bac'), ('seed', 'cab')])
def test_a_table_is_sorted_with_the_unmeasured_last(runs, sort, order):
    assert ''.join(row[0] for row in table(runs, sort=sort)[1:]) == order


@pytest.mark.parametrize('asked', [{'sort': 'APP'}, {'metrics': ['AP', 'APP']}, {'conditions': ['APP>0.5']}])
def test_a_key_that_no_run_has_is_refused(runs, asked):
    with pytest.raises(ValueError, match='no run has APP: expected a key of the config or a metric'):
        table(runs, **asked)


def test_the_validations_figure_goes_before_a_hooks_of_the_same_name(tmp_path):
    run = record(tmp_path / 'a', {}, {'train_split/segm_AP50': 0.9, 'cell/segm_AP50': 0.5})
    assert look_up(run, 'segm_AP50') == 0.5


def test_a_metric_that_is_nan_sorts_last(tmp_path):
    found = {'a': 0.1, 'b': float('nan'), 'c': 0.9, 'd': 0.3}
    runs = [record(tmp_path / name, {}, {'AP': value}) for name, value in found.items()]
    assert ''.join(row[0] for row in table(runs, sort='AP')[1:]) == 'cdab'


@pytest.mark.parametrize(
    ('conditions', 'kept'),
    [(['seed=0', 'AP>0.5'], 'b'), (['AP>=0.25', 'AP<0.75'], 'a'), (['model.depth!=18'], 'bc'), (['name=a'], 'a')],
)
def test_a_table_is_filtered(runs, conditions, kept):
    assert ''.join(row[0] for row in table(runs, conditions=conditions)[1:]) == kept


def test_chosen_metrics_and_a_condition_that_is_none(runs):
    assert table(runs[:2], ['PQ'])[0] == ['run', 'model.depth', 'PQ', 'status']
    with pytest.raises(ValueError, match="'seed': expected KEY=VALUE"):
        table(runs, conditions=['seed'])


def test_diff_shows_two_runs_key_by_key(runs):
    assert diff_table(*runs[:2]) == [
        ['key', 'a', 'b'],
        ['model.depth', '18', '50'],
        ['cell/AP', '0.25', '0.75'],
        ['cell/PQ', '0.5', ''],
    ]


def test_the_tool_prints_and_writes(runs, tmp_path, monkeypatch, call_tool):
    monkeypatch.chdir(tmp_path)
    shown = call_tool(
        TOOL, 'a', 'b', 'c', '--sort', 'AP', '--filter', 'seed=0', '--markdown', 'o/t.md', '--csv', 't.csv'
    ).out
    assert [line.split('|')[1].strip() for line in shown.splitlines()] == ['run', '---', 'b', 'a']
    assert (tmp_path / 'o/t.md').read_text() == shown
    assert (tmp_path / 't.csv').read_text().splitlines()[2] == 'a,18,0.2500,0.5000,finished'
    assert '| model.depth | 18 | 50 |' in call_tool(TOOL, '--diff', 'a', 'b').out
    for other in ('folds.json', 'results.csv', 'notes/x'):  # what work_dirs/consep/* names besides runs
        (tmp_path / other).parent.mkdir(exist_ok=True)
        (tmp_path / other).write_text('{}')
    assert call_tool(TOOL, 'a', 'folds.json', 'results.csv', 'notes', 'b/record.json').out.count('finished') == 2
    assert 'nowhere: there is no such record of a run' in call_tool(TOOL, 'a', 'nowhere', code=1).err
    call_tool(TOOL, 'a', '--diff', 'a', 'b', code=2)


def test_table_into_a_text(tmp_path, call_tool):
    """Chosen columns, figures of the validation before those of the training, names up to their first _."""
    for name, ap in (('s01_r18_x', 0.25), ('s02_r18_cw_x', 0.5)):
        (tmp_path / name).mkdir()
        record = {'status': 'finished', 'config': {'values': {'depth': 18}}, 'about': f'Step {name[:3]}.'}
        record |= {'metrics': {'best': {'cell/AP': 0.1}}, 'validation': {'metrics': {'AP': ap}}, 'time': {'wall_s': 60}}
        records.write_record(tmp_path / name, record)
    page = tmp_path / 'page.md'
    page.write_text('above\n<!-- results -->\nold\n<!-- end of results -->\nbelow\n')
    words = [*(str(tmp_path / n) for n in ('s01_r18_x', 's02_r18_cw_x')), '--columns', 'about', 'depth', 'wall_s']
    words += ['--metrics', 'AP', 'cell/AP', '--short', '--into', page]
    rows = [
        '| run | about | depth | wall_s | AP | cell/AP | status |',
        '|---|---|---|---|---|---|---|',
        '| s01 | Step s01. | 18 | 60 | 0.2500 | 0.1000 | finished |',
        '| s02 | Step s02. | 18 | 60 | 0.5000 | 0.1000 | finished |',
    ]
    assert call_tool(TOOL, *words).out.splitlines() == rows
    assert page.read_text().splitlines() == ['above', '<!-- results -->', *rows, '<!-- end of results -->', 'below']
    page.write_text('<!-- end of results --> <!-- results -->')
    lacking = 'page.md: expected the marks <!-- results --> and <!-- end of results -->'
    assert lacking in call_tool(TOOL, *words, code=1).err
    assert page.read_text() == '<!-- end of results --> <!-- results -->'
