"""Checkpoints are data: nothing in them is executed."""

import os
from collections import OrderedDict

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader, save_checkpoint

from mmcellseg.components.checkpoint import (
    CheckpointError,
    check_fits,
    check_resumable,
    load,
    make_plain,
    restore,
    trust,
)


class Touch:
    """Unpickles by making a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f'touch {self.path}',)


def stock(**extra):
    """A checkpoint as mmengine writes it."""
    history = HistoryBuffer([0.5, 0.25], [1, 1], max_length=10)
    return {
        'meta': {'epoch': 1, 'iter': 2},
        'state_dict': torch.nn.Conv2d(1, 2, 1).state_dict(),
        'optimizer': {'state': {}, 'param_groups': [{'lr': 0.1, 'params': [0]}]},
        'message_hub': {'log_scalars': OrderedDict(loss=history), 'runtime_info': {}, 'resumed_keys': {}},
        **extra,
    }


def test_a_plain_checkpoint_loads_whole_with_weights_only(tmp_path):
    path = tmp_path / 'ours.pth'
    numbers = {'score': np.float64(0.5), 'ids': np.arange(3), 'classes': ('a', 'b'), 'none': None}
    torch.save(make_plain(stock(numbers=numbers)), path)
    raw = torch.load(path, weights_only=True)  # torch's own list of what is safe, nothing added
    assert raw['numbers'] | {'ids': None} == {'score': 0.5, 'ids': None, 'classes': ('a', 'b'), 'none': None}
    loaded = load(path)
    history = loaded['message_hub']['log_scalars']['loss']
    assert isinstance(history, HistoryBuffer)
    assert [part.tolist() for part in history.data] == [[0.5, 0.25], [1, 1]]
    assert history.max_length == 10
    check_resumable(loaded, path)


def test_what_has_no_plain_form_is_left_out_with_a_word(capsys):
    plain = make_plain({'a': object(), 'b': 1})
    assert plain == {'b': 1}


def test_state_dict_versions_survive():
    state = torch.nn.BatchNorm2d(2).state_dict()
    assert make_plain(state)._metadata == state._metadata


def test_a_foreign_checkpoint_gives_its_weights_only(tmp_path):
    path = tmp_path / 'stock.pth'
    content = stock()
    save_checkpoint(content, str(path))
    loaded = CheckpointLoader.load_checkpoint(str(path), 'cpu')  # mmengine's loader: its tools are as safe
    assert set(loaded) == {'state_dict', 'replaced'}
    assert 'mmengine.logging.history_buffer.HistoryBuffer' in loaded['replaced']
    assert all(torch.equal(loaded['state_dict'][k], v) for k, v in content['state_dict'].items())
    with pytest.raises(CheckpointError, match=r'cannot resume.*lacks meta.*HistoryBuffer.*--trust-checkpoint'):
        check_resumable(loaded, path)
    trust(path)
    assert load(path)['meta'] == {'epoch': 1, 'iter': 2}


@pytest.mark.parametrize('place', ['beside', 'inside'])
def test_a_malicious_pickle_is_not_executed(tmp_path, place):
    touched, path = tmp_path / 'touched', tmp_path / 'evil.pth'
    content = stock()
    (content if place == 'beside' else content['state_dict'])['evil'] = Touch(touched)
    torch.save(content, path)
    loaded = load(path)
    assert not touched.exists()
    assert list(loaded['state_dict']) == ['weight', 'bias']
    assert any(name.endswith('.system') for name in loaded['replaced'])
    torch.load(path, weights_only=False)
    assert touched.exists(), 'the checkpoint was harmless, so this test showed nothing'


def test_a_pickle_without_weights_is_refused(tmp_path):
    path = tmp_path / 'evil.pth'
    torch.save({'x': Touch(tmp_path / 'touched')}, path)
    with pytest.raises(CheckpointError, match=r'evil\.pth: no weights .*system.*--trust-checkpoint'):
        load(path)
    assert not (tmp_path / 'touched').exists()


def test_getattr_cannot_be_reached(tmp_path):
    """mmengine's list of what is safe has it, and with it all that a safe object refers to."""

    class Reach:
        def __reduce__(self):
            return getattr, ('text', 'upper')

    torch.save(stock(evil=Reach()), tmp_path / 'a.pth')
    assert '__builtin__.getattr' in load(tmp_path / 'a.pth')['replaced']


def test_the_config_in_meta_is_dropped(tmp_path):
    """mmengine's ``resume`` executes it as Python."""
    path, touched = tmp_path / 'evil.pth', tmp_path / 'touched'
    evil = f'import os\nos.system("touch {touched}")\n'
    torch.save(make_plain(stock(meta={'epoch': 1, 'iter': 2, 'config': evil})), path)
    assert load(path)['meta'] == {'epoch': 1, 'iter': 2}
    trust(path)
    assert 'config' not in load(path)['meta']
    assert not touched.exists()


def test_restore_leaves_other_things_alone():
    assert restore([1]) == [1]
    assert restore({'message_hub': 3}) == {'message_hub': 3}


def test_programs_and_old_formats_are_refused(tmp_path):
    torch.jit.script(torch.nn.Identity()).save(str(tmp_path / 'program.pth'))
    with pytest.raises(CheckpointError, match=r'program\.pth: .*TorchScript'):
        load(tmp_path / 'program.pth')
    old = {'_use_new_zipfile_serialization': False}
    torch.save(stock(evil=Touch(tmp_path / 'touched')), tmp_path / 'old.pth', **old)
    with pytest.raises(CheckpointError, match=r'old\.pth: no weights'):
        load(tmp_path / 'old.pth')
    assert not (tmp_path / 'touched').exists()
    torch.save({'weight': torch.ones(1)}, tmp_path / 'old_weights.pth', **old)
    assert load(tmp_path / 'old_weights.pth') == {'weight': torch.ones(1)}


def test_a_file_cut_off_names_itself(tmp_path):
    path = tmp_path / 'short.pth'
    torch.save(make_plain(stock()), path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(CheckpointError, match=r'short\.pth'):
        load(path)


def test_a_missing_file_names_itself(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'gone\.pth: there is no such checkpoint'):
        load(tmp_path / 'gone.pth')


@pytest.mark.parametrize('address', ['https://models.example/a/served.pth', 'open-mmlab://resnext101_32x4d'])
def test_a_download_is_as_safe(tmp_path, monkeypatch, address):
    torch.save(stock(evil=Touch(tmp_path / 'touched')), tmp_path / 'served.pth')
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    served = []

    def download(url, target):
        served.append(url)
        os.link(tmp_path / 'served.pth', target)

    monkeypatch.setattr(torch.hub, 'download_url_to_file', download)
    for _ in range(2):
        loaded = CheckpointLoader.load_checkpoint(address, 'cpu')
    assert set(loaded) == {'state_dict', 'replaced'}
    assert len(served) == 1  # the second time it comes from the cache
    assert served[0].startswith('https://')
    assert not (tmp_path / 'touched').exists()


def test_weights_of_another_model_are_refused(tmp_path):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4))
    path = tmp_path / 'c.pth'
    torch.save({'state_dict': {f'module.{k}': v for k, v in model.state_dict().items()}}, path)
    check_fits(model, str(path))
    wider = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 1), torch.nn.BatchNorm2d(4))
    with pytest.raises(
        CheckpointError, match=r'c.pth: 2 of 7 weights .*: 0.weight is \[4, 3, 1, 1\] there, \[8, 3, 1, 1\]'
    ):
        check_fits(wider, str(path))
    deeper = torch.nn.Sequential(*model, torch.nn.Conv2d(4, 4, 1))
    with pytest.raises(CheckpointError, match=r'c.pth: 2 of 9 weights do not fit the config: it lacks 2.weight'):
        check_fits(deeper, str(path))
    state = {k: v for k, v in model.state_dict().items() if 'num_batches' not in k}
    torch.save(state, path)  # bare weights, of a torch that did not count batches
    check_fits(model, str(path))
