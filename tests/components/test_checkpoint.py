"""Checkpoints are data: nothing in them is executed."""

import io
import os
import resource
import urllib.error
from collections import OrderedDict

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader, save_checkpoint

from mmcellseg.components.checkpoint import CheckpointError, InertPickle, check_fits, check_resumable, load, trust
from mmcellseg.components.plain_checkpoint import make_plain, restore


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
    assert make_plain({'a': object(), 'b': 1}) == {'b': 1}
    state = torch.nn.BatchNorm2d(2).state_dict()
    assert make_plain(state)._metadata == state._metadata  # the versions of its modules
    assert restore([1]) == [1]
    assert restore({'message_hub': 3}) == {'message_hub': 3}


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


class Reach:
    """Reaches with ``getattr``, which mmengine's list of what is safe has, all that a safe object refers to."""

    def __reduce__(self):
        return getattr, ('text', 'upper')


@pytest.mark.parametrize('place', ['beside', 'inside'])
@pytest.mark.parametrize('zipped', [True, False])
def test_a_malicious_pickle_is_not_executed(tmp_path, place, zipped):
    touched, path = tmp_path / 'touched', tmp_path / 'evil.pth'
    content = stock(reach=Reach())
    (content if place == 'beside' else content['state_dict'])['evil'] = Touch(touched)
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    loaded = load(path)
    assert not touched.exists()
    assert list(loaded['state_dict']) == ['weight', 'bias']
    assert all(torch.equal(value, content['state_dict'][name]) for name, value in loaded['state_dict'].items())
    assert {'__builtin__.getattr', 'mmengine.logging.history_buffer.HistoryBuffer'} < set(loaded['replaced'])
    assert any(name.endswith('.system') for name in loaded['replaced'])
    torch.load(path, weights_only=False)
    assert touched.exists(), 'the checkpoint was harmless, so this test showed nothing'


def test_what_holds_no_weights_is_refused_and_not_executed(tmp_path):
    path = tmp_path / 'evil.pth'
    torch.save({'x': Touch(tmp_path / 'touched')}, path)
    with pytest.raises(CheckpointError, match=r'evil\.pth: no weights .*system.*--trust-checkpoint'):
        load(path)
    assert not (tmp_path / 'touched').exists()
    torch.jit.script(torch.nn.Identity()).save(str(path))
    with pytest.raises(CheckpointError, match=r'evil\.pth: .*TorchScript'):
        load(path)


def test_the_config_in_meta_is_dropped(tmp_path):
    """mmengine's ``resume`` executes it as Python."""
    path, touched = tmp_path / 'evil.pth', tmp_path / 'touched'
    evil = f'import os\nos.system("touch {touched}")\n'
    torch.save(make_plain(stock(meta={'epoch': 1, 'iter': 2, 'config': evil})), path)
    assert load(path)['meta'] == {'epoch': 1, 'iter': 2}
    trust(path)
    assert 'config' not in load(path)['meta']
    assert not touched.exists()


def test_without_checksums_it_loads(tmp_path):
    """The old format has none, and ``set_crc32_options(False)`` writes zeros, which say nothing."""
    torch.save({'weight': torch.ones(1)}, tmp_path / 'old.pth', _use_new_zipfile_serialization=False)
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({'weight': torch.ones(1)}, tmp_path / 'unchecked.pth')
    finally:
        torch.serialization.set_crc32_options(True)
    for name in ('old', 'unchecked'):
        assert load(tmp_path / f'{name}.pth') == {'weight': torch.ones(1)}


@pytest.mark.parametrize('content', [b'', b'version https://git-lfs', b'PK\x03\x04', b'<!DOCTYPE html>\n<html>'])
def test_what_is_no_checkpoint_is_said_in_a_line(tmp_path, content):
    """Where nothing would be executed, nobody is told to trust it."""
    (tmp_path / 'none.pth').write_bytes(content)
    with pytest.raises(CheckpointError, match=r'^\S*none\.pth: [^\n]*$') as caught:
        load(tmp_path / 'none.pth')
    assert '--trust-checkpoint' not in str(caught.value)


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
    deeper = torch.nn.Sequential(*model, torch.nn.Conv2d(4, 4, 1))
    with pytest.raises(
        CheckpointError, match=r'2 of 9 weights do not fit the config: .* the checkpoint lacks 2.weight'
    ):
        check_fits(deeper, str(path))
    state = {k: v for k, v in model.state_dict().items() if 'num_batches' not in k}
    torch.save(state, path)  # bare weights, of a torch that did not count batches
    check_fits(model, str(path))


class Detector(torch.nn.Module):
    """The layers of a Mask R-CNN that say its anchors and classes."""

    def __init__(self, anchors=3, classes=4, width=8):
        super().__init__()
        linear, conv = torch.nn.Linear, torch.nn.Conv2d
        self.backbone = torch.nn.ModuleDict({'conv1': conv(3, width, 3)})
        self.rpn_head = torch.nn.ModuleDict({'rpn_cls': conv(6, anchors, 1), 'rpn_reg': conv(6, 4 * anchors, 1)})
        box = torch.nn.ModuleDict({'fc_cls': linear(5, classes + 1), 'fc_reg': linear(5, 4 * classes)})
        mask = torch.nn.ModuleDict({'conv_logits': conv(5, classes, 1)})
        self.roi_head = torch.nn.ModuleDict({'bbox_head': box, 'mask_head': mask})


@pytest.mark.parametrize(
    ('other', 'said'),
    [
        ({'anchors': 9}, 'anchors: 3 there, 9 here'),
        ({'classes': 1}, 'classes: 4 there, 1 here'),
        ({'width': 16}, r'backbone: backbone.conv1.weight is \[8, 3, 3, 3\] there, \[16, 3, 3, 3\] here'),
        ({'anchors': 6, 'classes': 2}, 'anchors: 3 there, 6 here; classes: 4 there, 2 here'),
    ],
)
def test_the_part_that_does_not_fit_is_named(tmp_path, other, said):
    torch.save(Detector().state_dict(), tmp_path / 'c.pth')
    with pytest.raises(CheckpointError, match=rf'do not fit the config: {said}\. Take the config of its training'):
        check_fits(Detector(**other), tmp_path / 'c.pth')


def test_without_a_network_it_is_said_where_the_weights_belong(tmp_path, monkeypatch):
    def download(url, target):
        raise urllib.error.URLError('Name or service not known')

    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    monkeypatch.setattr(torch.hub, 'download_url_to_file', download)
    with pytest.raises(
        CheckpointError,
        match=r'^https://models.example/a.pth: cannot be downloaded .*Name or service.*put it at .*/checkpoints/a.pth'
        r', or train from random weights \(model.backbone.init_cfg=None, load_from=None\)$',
    ):
        CheckpointLoader.load_checkpoint('https://models.example/a.pth', 'cpu')
    (tmp_path / 'hub/checkpoints/a.pth').write_bytes(b'half')
    with pytest.raises(CheckpointError, match=r'checkpoints/a\.pth: cannot be read .* Delete it, and it is downloaded'):
        CheckpointLoader.load_checkpoint('https://models.example/a.pth', 'cpu')


def test_an_index_of_gigabytes_takes_no_memory():
    """``LONG_BINPUT`` with 2^28, as a flipped bit makes it: C's unpickler fills a list of that length."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert InertPickle().load(io.BytesIO(b'\x80\x02}r\xff\xff\xff\x0f.')) == {}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500 << 10  # kB
