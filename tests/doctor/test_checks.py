"""Every line of the doctor, and each fault made on purpose."""

import ast
import errno
import importlib.metadata
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import namedtuple

import mmcv.ops
import pytest
import tifffile
import torch
from tiny_run import REPO, write_config, write_data

from mmcellseg import doctor
from mmcellseg.doctor import machine, packages
from mmcellseg.doctor.answer import SETUP, Answer, ask

GB = 2**30
Usage = namedtuple('Usage', 'total used free')


@pytest.fixture
def with_gpu(tmp_path, monkeypatch):
    """A function: puts an nvidia-smi of a driver for this CUDA in front of the PATH; torch sees no GPU."""

    def put(cuda='12.4', code=0, text=''):
        smi = tmp_path / 'nvidia-smi'
        head = f'| NVIDIA-SMI 550.54 Driver Version: 550.54 CUDA Version: {cuda} |'
        smi.write_text(
            f'#!/bin/sh\nif [ {code} != 0 ]; then echo "{text}"; exit {code}; fi\n'
            f'case "$1" in --query*) echo "A100, 550.54"; echo "A100, 550.54";; *) echo "{head}";; esac\n'
        )
        smi.chmod(0o755)
        monkeypatch.setenv('PATH', str(tmp_path), prepend=':')
        monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)

    return put


def test_every_line_of_a_machine_that_can(tmp_path, monkeypatch, capsys):
    config = write_config(tmp_path / 'tiny.py', write_data(tmp_path / 'data'))
    monkeypatch.setattr(packages, 'read_driver', packages.Driver)
    answers = doctor.run(str(tmp_path / 'runs'), [config], tmp_path / 'out.json')
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed] == [answer.status for answer in answers.values()]
    assert 'fail' not in {answer.status for answer in answers.values()}, printed
    assert 'gloo sums over 2 process(es)' in answers['processes'].text
    assert answers['data tiny'] == Answer('ok', f'{tmp_path}/data: 2 json files match their 7 images')
    content = json.loads((tmp_path / 'out.json').read_text())
    assert list(content['checks']) == [*answers][:-1]
    assert content['packages']['torch'] == importlib.metadata.version('torch')
    assert content['machine']['cores'] > 0


def test_without_any_package_each_line_says_what_to_do(tmp_path):
    """No site-packages: neither torch nor numpy is there. No traceback."""
    command = [sys.executable, '-S', '-I', str(REPO / 'tools/doctor.py'), '--work-dir', str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, '')
    lines = done.stdout.splitlines()
    assert lines[1] == f"fail     torch                ModuleNotFoundError: No module named 'torch' → {SETUP}"
    assert [line.split()[1] for line in lines if not line.startswith('fail')] == ['Python', 'workers', 'disk']


@pytest.mark.parametrize('path', ['tools/doctor.py', *sorted((REPO / 'mmcellseg/doctor').glob('*.py'))])
def test_old_pythons_can_read_it(path):
    ast.parse((REPO / path).read_text(), feature_version=(3, 8))


def test_python_of_another_version():
    assert packages.check_python((3, 12, 1)).status == 'ok'
    answer = packages.check_python((3, 10, 4))
    assert (answer.status, answer.advice) == ('fail', f'PYTHON=python3.12 {SETUP}')


def test_wrong_mmcv(monkeypatch):
    """Of another version, with operators that compute something else, or without those of CUDA."""
    version = importlib.metadata.version
    with monkeypatch.context() as patch:
        patch.setattr(importlib.metadata, 'version', lambda name: '2.1.0' if name == 'onedl-mmcv' else version(name))
        answer = packages.as_pinned('onedl-mmcv', packages.check_mmcv())
        assert (answer.status, answer.advice) == ('warning', SETUP)
        assert answer.text.startswith('onedl-mmcv is 2.1.0, and 2.3.6 is pinned (NMS and RoIAlign run on cpu')
        failed = Answer('fail', 'broken')
        assert packages.as_pinned('onedl-mmcv', failed) is failed
    with monkeypatch.context() as patch:
        patch.setattr(mmcv.ops, 'nms', lambda boxes, scores, threshold: (boxes, torch.arange(3)))
        answer = packages.check_mmcv()
        assert answer.status == 'fail'
        assert 'NMS on cpu keeps [0, 1, 2] for [0, 2]' in answer.text
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(mmcv.ops, 'get_compiling_cuda_version', lambda: 'not available')
    said = 'its operators were built without CUDA, and there is a GPU'
    assert packages.check_mmcv() == Answer('fail', said, SETUP)


@pytest.mark.parametrize(
    ('built', 'driver', 'answer'),
    [
        (None, {}, r'a CPU build, but this machine has 2 GPU \(A100\) → install a CUDA build of torch'),
        ('13.0', {}, r'driver 550\.54 runs CUDA 12\.4 at most → update the driver, or install a torch'),
        ('12.10', {'cuda': '12.9'}, r'runs CUDA 12\.9 at most → update the driver'),
        ('12.4', {}, r'2 GPU \(A100\) that torch cannot use → unset CUDA_VISIBLE_DEVICES, or restart'),
        ('12.4', {'code': 9, 'text': 'driver mismatch'}, 'nvidia-smi fails: driver mismatch'),
    ],
)
def test_torch_that_does_not_fit_the_gpu(with_gpu, monkeypatch, built, driver, answer):
    with_gpu(**driver)
    monkeypatch.setattr(torch.version, 'cuda', built)
    found = ask(packages.check_torch)
    assert found.status == 'fail'
    assert re.search(answer, str(found)), str(found)


def test_two_gpus_and_a_gpu_that_torch_was_not_built_for(monkeypatch):
    def broken(*args, device):
        raise RuntimeError('no kernel image is available')

    ones = torch.ones
    monkeypatch.setattr(packages, 'read_driver', lambda: packages.Driver(['A', 'B'], '550', (12, 4)))
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    monkeypatch.setattr(torch.cuda, 'get_device_name', lambda index: f'card {index}')
    monkeypatch.setattr(torch, 'ones', lambda *args, device: ones(*args))
    assert packages.check_torch().text.endswith('driver 550, 2 GPU: card 0, card 1')
    monkeypatch.setattr(torch, 'ones', broken)
    assert ask(packages.check_torch) == Answer('fail', 'RuntimeError: no kernel image is available')


def test_opencv_that_needs_a_display(monkeypatch):
    assert packages.check_opencv().status == 'ok'
    monkeypatch.setattr(importlib.metadata, 'version', lambda name: '4.12.0.88')
    answer = packages.check_opencv()
    assert answer.status == 'warning'
    assert answer.advice.startswith('pip uninstall opencv-python, ')


def test_a_missing_codec(monkeypatch):
    import imagecodecs

    class WithoutZstd:
        def __getattr__(self, name):
            if name == 'zstd_decode':
                raise AttributeError(name)
            return getattr(imagecodecs, name)

    assert packages.check_codecs().status == 'ok'
    monkeypatch.setattr(tifffile.tifffile, 'imagecodecs', WithoutZstd())
    monkeypatch.setattr(tifffile.TIFF.DECOMPRESSORS, '_codecs', {1: tifffile.TIFF.DECOMPRESSORS[1]})  # it keeps them
    answer = packages.check_codecs()
    assert (answer.status, answer.text) == ('fail', 'cannot decode zstd')
    assert 'imagecodecs' in answer.advice


def test_little_memory(tmp_path, monkeypatch):
    assert machine.check_memory(least=0).status == 'ok'
    assert machine.check_memory(least=2**60).status == 'warning'
    monkeypatch.setattr(machine.shutil, 'disk_usage', lambda path: Usage(0, 0, 64 * 2**20))
    answer = machine.check_workers(str(tmp_path))
    assert answer.status == 'fail'
    assert answer.text.startswith('0.06 GB of shared memory')
    assert '--shm-size=8g' in answer.advice


@pytest.mark.parametrize(('free', 'status'), [(6 * GB, 'ok'), (3 * GB, 'warning'), (0, 'fail')])
def test_full_disk(tmp_path, monkeypatch, free, status):
    monkeypatch.setattr(machine.shutil, 'disk_usage', lambda path: Usage(0, 0, free))
    answer = machine.check_disk(str(tmp_path / 'not' / 'made'))
    assert answer.status == status
    assert answer.text.startswith(f'{free / GB:.1f} GB are free at {tmp_path}/not/made')


def test_folders_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / 'file').touch()
    assert ask(machine.check_folders, str(tmp_path / 'file' / 'runs')).text.startswith('NotADirectoryError: ')

    def refuse(dir):
        raise OSError(errno.EROFS, 'Read-only file system')

    monkeypatch.setattr(tempfile, 'TemporaryFile', refuse)
    answer = ask(machine.check_folders, str(tmp_path))
    assert answer.status == 'fail'
    assert 'no folder for a run (Read-only file system)' in answer.text
    assert str(tmp_path) in answer.text


def test_processes_that_do_not_meet_or_fail(monkeypatch):
    def broken(*args):
        raise RuntimeError('no network')

    monkeypatch.setattr(machine, '_meet', lambda *args: time.sleep(60))
    answer = machine.all_reduce('cpu', 2, 'fork', limit=0.1)
    assert (answer.status, 'did not meet' in answer.text) == ('fail', True)
    monkeypatch.setattr(machine, '_meet', broken)
    answer = ask(machine.all_reduce, 'cpu', 2, 'fork')
    assert (answer.status, answer.text) == ('fail', 'ProcessRaisedException: RuntimeError: no network')


def test_json_of_other_images_or_none(tmp_path):
    root = write_data(tmp_path / 'data')
    config = write_config(tmp_path / 'tiny.py', root)
    test = root / 'annotations/test.json'
    content = json.loads(test.read_text())
    content['images'][1]['width'] = 80
    test.write_text(json.dumps(content))
    answer = machine.check_data(config)
    assert answer.status == 'fail'
    assert answer.text == f'{test}: of other images: {root}/test_2.png has 64 × 64 px (height, width), not 64 × 80'
    content['images'][1]['width'] = 64
    test.write_text(json.dumps(content))
    (root / 'train_3.png').unlink()
    assert machine.check_data(config).text.endswith('1 of its 4 images are not there, as train_3.png')
    test.write_text('{"images": [')
    answer = ask(machine.check_data, config)
    assert answer.text.startswith(f'CocoError: {test}: truncated or not valid JSON')
    test.unlink()
    (root / 'annotations/train.json').unlink()
    answer = machine.check_data(config)
    assert (answer.status, answer.text) == ('warning', f'{root}: no train.json, test.json')
    assert answer.advice.startswith('python tools/dataset_converters/cells2coco.py')
    root.rename(tmp_path / 'moved')
    assert machine.check_data(config).text == f'{root} is not there'
