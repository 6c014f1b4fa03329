"""Which errors are one line, and what it says."""

import importlib
import json

import pytest
from mmengine.registry import Registry
from torch.utils.data import DataLoader

from mmcellseg.components.hooks.data_fault_hook import DataError
from mmcellseg.data.tiff import read_image
from mmcellseg.runs.config_options import ConfigError
from mmcellseg.runs.errors import errors_in_a_line, explain

PARENT = Registry('part', scope='mmcellseg_tests')
PARTS = Registry('part', parent=PARENT, scope='mmcellseg_child')


@PARENT.register_module()
class Tree:
    def __init__(self, height, width=1):
        if height < 0:
            raise ArithmeticError('a tree\nbelow ground')


@PARTS.register_module()
class Oak(Tree):
    def __init__(self, acorns=0, **kwargs):
        super().__init__(**kwargs)


def error_of(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except Exception as error:
        return error
    raise AssertionError('no error')


@pytest.mark.parametrize(
    ('cfg', 'said'),
    [
        ({'type': 'Oka', 'height': 1}, 'there is no part Oka; did you mean Oak?'),
        ({'type': 'Treee', 'height': 1}, 'there is no part Treee; did you mean Tree?'),
        ({'type': 'Oak', 'height': 1, 'acorn': 2}, "part Oak does not know 'acorn'; did you mean acorns?"),
        ({'type': 'Oak', 'hight': 1}, "part Oak does not know 'hight'; did you mean height?"),
        ({'type': 'Oak'}, "part Oak needs 'height'"),
        ({'type': 'Oak', 'height': -1}, 'part Oak: ArithmeticError: a tree (--verbose shows where)'),
    ],
)
def test_errors_in_building_a_config_name_the_part(cfg, said):
    assert explain(error_of(PARTS.build, cfg)) == said


def test_errors_of_files_name_the_file(tmp_path):
    assert explain(error_of(open, tmp_path / 'gone')) == f'{tmp_path}/gone: No such file or directory'
    assert explain(FileNotFoundError('x.json: there is no such file')) == 'x.json: there is no such file'


def test_a_package_that_is_not_there():
    said = explain(error_of(importlib.import_module, 'no_such_package'))
    assert (
        said
        == "No module named 'no_such_package'; install it (pip install no_such_package), or leave out what needs it"
    )


def test_what_the_package_raises_on_purpose_is_a_line(tmp_path):
    assert 'expected a COCO' not in str(explain(error_of(read_image, tmp_path)))
    (tmp_path / 'a.tif').write_bytes(b'II*\0 no image')
    assert str(tmp_path / 'a.tif') in str(explain(error_of(read_image, tmp_path / 'a.tif')))


def test_other_errors_keep_their_traceback():
    assert explain(error_of(json.loads, '{')) is None
    assert explain(error_of(lambda: 1 / 0)) is None
    with pytest.raises(ZeroDivisionError), errors_in_a_line('train'):
        int(1 / 0)


class Bad:
    def __len__(self):
        return 1

    def __getitem__(self, index):
        raise DataError('image.tif: cannot be loaded')


def test_an_error_of_a_data_worker_is_the_workers_line():
    error = error_of(list, DataLoader(Bad(), num_workers=1))
    assert 'Original Traceback' in str(error)
    assert explain(error) == 'image.tif: cannot be loaded'


def test_a_noted_cause_is_part_of_the_line():
    error = RuntimeError('DataLoader worker (pid 7) is killed')
    error.add_note('[out of memory]')
    assert explain(error) == 'DataLoader worker (pid 7) is killed [out of memory]'


def test_the_line_ends_the_program_and_verbose_shows_the_error():
    with pytest.raises(SystemExit, match=r'^train: c\.py: there is no such config$'), errors_in_a_line('train'):
        raise ConfigError('c.py: there is no such config')
    with pytest.raises(ConfigError), errors_in_a_line('train', verbose=True):
        raise ConfigError('c.py: there is no such config')
