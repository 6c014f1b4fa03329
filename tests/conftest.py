"""Fixtures that several folders of tests use."""

import os
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from mmcellseg.data.convert import read_dataset, write_conversion
from mmcellseg.synthetic.data_set import make_synthetic

REPO = Path(__file__).resolve().parents[1]
REAL_DATA = Path(os.environ.get('MMCELLSEG_REAL_DATA', REPO.parent / 'shared' / 'data'))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def call_tool(monkeypatch, capsys):
    """A function: runs a tool of ``tools/`` with arguments, and gives what it printed (``out`` and ``err``).

    ``code`` is the exit status that is expected; a message that it exits with is printed to ``err``, as Python does.
    """

    def call(tool, *arguments, code=0):
        monkeypatch.setattr(sys, 'argv', [tool, *map(str, arguments)])
        status = None
        try:
            runpy.run_path(str(REPO / 'tools' / tool), run_name='__main__')
        except SystemExit as error:
            status = error.code
        printed = capsys.readouterr()
        if isinstance(status, str):
            printed, status = type(printed)(printed.out, printed.err + status), 1
        assert (status or 0) == code, printed.err
        return printed

    return call


def _real(name: str) -> Path:
    folder = REAL_DATA / name
    if not folder.is_dir():
        pytest.skip(f'the real data in {folder} is not on this machine (set MMCELLSEG_REAL_DATA)')
    return folder


@pytest.fixture(scope='session')
def hw3_sample_dir() -> Path:
    """One real training image of the layout and the real id file."""
    return _real('hw3_sample')


@pytest.fixture(scope='session')
def consep_dir() -> Path:
    """CoNSeP as images/*.jpg and labels/*.npz, with make_hw3_layout.py beside them."""
    return _real('consep')


@pytest.fixture(scope='session')
def synthetic_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small synthetic data set, converted: 6 training images of four classes, 3 test images. Read only."""
    root = tmp_path_factory.mktemp('synthetic')
    make_synthetic(root, num_train=6, num_test=3, size_range=(96, 160), cell_scale=0.6, dense=False)
    write_conversion(read_dataset(root), root)
    return root


@pytest.fixture(scope='session')
def tiny_trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``data/``, the config ``tiny.py`` and its run ``run/``, trained with seed 0. Read only."""
    from tiny_run import run_tool, write_config, write_data

    place = tmp_path_factory.mktemp('tiny')
    write_config(place / 'tiny.py', write_data(place / 'data'), "randomness['seed'] = 3\n")
    options = ('--seed', 0, '--amp', '--auto-scale-lr', '--cfg-options', 'auto_scale_lr.base_batch_size=4')
    output = run_tool(REPO / 'tools/train.py', 'tiny.py', '--work-dir', 'run', *options, cwd=place)
    (place / 'output.txt').write_text(output)
    return place
