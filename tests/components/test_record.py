"""Runs as records: flat keys, differences, folders."""

import pytest
from mmengine.config import Config
from run_records import record

from mmcellseg.components import record as ledger
from mmcellseg.reporting import records
from mmcellseg.reporting.records import ABSENT, RecordError


def test_flat_keys_and_their_difference():
    value = {'a': {'b': 1, 'c': [1, 2]}, 'd': [{'e': 1}, {'e': 2}], 'f': {}, 'g': [[0, 1], 2], 'h': []}
    expected = {'a.b': 1, 'a.c': [1, 2], 'd.0.e': 1, 'd.1.e': 2, 'f': {}, 'g.0': [0, 1], 'g.1': 2, 'h': []}
    assert records.flatten(value) == expected
    found = records.difference({'a': 1, 'b': None, 'c': 3}, {'a': 2, 'b': None, 'd': 4})
    assert found == {'a': [1, 2], 'c': [3, ABSENT], 'd': [ABSENT, 4]}
    assert records.difference({}, {'b': None}) == {'b': [ABSENT, None]}  # None is a value


def test_an_experiment_is_what_components_read():
    unread = {'anchors': {'unused': 1}, 'work_dir': 'x', 'val_dataloader': None}
    cfg = Config({'model': {'type': 'A', 'sizes': (1, 2)}, 'randomness': {'seed': 0}, 'load_from': 'w.pth', **unread})
    expected = {'model.type': 'A', 'model.sizes': [1, 2], 'randomness.seed': 0, 'load_from': 'w.pth'}
    assert ledger.experiment(cfg) == expected
    # Where a stock tool resumes, load_from is the checkpoint that the run goes on from.
    assert 'load_from' not in ledger.experiment({**cfg.to_dict(), 'resume': True, 'load_from': 'epoch_1.pth'})
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
    facts = ledger.config_facts(cfg)
    changed = {'model.neck.width': [64, 32], 'optim_wrapper.lr': [0.1, 0.2], 'randomness.seed': [ABSENT, 0]}
    assert facts['changed'] == changed
    assert facts['parent'] == [str(leaf.parent / 'base/model.py'), str(leaf.parent / 'base/schedule.py')]
    assert facts['sha256'] == records.digest(ledger.experiment(cfg))
    (leaf.parent / 'child.py').write_text("_base_ = 'leaf.py'\n")
    child = ledger.config_facts(Config.fromfile(leaf.parent / 'child.py'))
    assert (child['parent'], child['changed']) == (str(leaf), {})


def test_a_config_without_parents_or_without_a_file(leaf):
    root = Config.fromfile(leaf.parent / 'base/root.py')
    root.merge_from_dict({'model.depth': 34})
    facts = ledger.config_facts(root)
    assert (facts['parent'], facts['changed']) == (None, {'model.depth': [18, 34]})
    facts = ledger.config_facts(Config({'model': {}}))
    assert (facts['file'], facts['changed']) == ('', {})


@pytest.mark.parametrize(
    ('text', 'problem'),
    [(None, 'there is no such record'), ('{"a"', 'truncated or not valid JSON'), ('[]', 'is no record of a run')],
)
def test_what_is_no_record_names_itself(tmp_path, text, problem):
    if text is not None:
        (tmp_path / 'record.json').write_text(text)
    with pytest.raises(RecordError, match=rf'record\.json: {problem}'):
        records.read_record(tmp_path)


def test_only_unfinished_runs_fail(tmp_path):
    record(tmp_path, {})
    records.mark_failed(tmp_path, 'E: x')
    assert 'error' not in records.read_record(tmp_path)
    record(tmp_path, {}, status='unfinished')
    records.mark_failed(tmp_path, 'E: x')
    assert records.read_record(tmp_path)['error'] == 'E: x'
    records.mark_failed(tmp_path / 'nowhere', 'E: x')
