"""What a run leaves in its record, and whose folder it may take."""

import json

import pytest
from mmengine.config import Config
from tiny_run import REPO, run_tool, write_config

from mmcellseg.components.provenance import describe_annotations, sha256
from mmcellseg.components.record import check_work_dir
from mmcellseg.reporting.records import RecordError


@pytest.fixture(scope='module')
def record(tiny_trained):
    return json.loads((tiny_trained / 'run/record.json').read_text())


def test_the_record_of_a_finished_run(tiny_trained, record):
    assert (record['status'], record['kind'], record['processes']) == ('finished', 'train', 1)
    assert record['progress'] == {'epoch': 2, 'max_epochs': 2, 'iter': 4, 'max_iters': 4}
    assert record['model']['name'] == 'MaskRCNN'
    assert record['model']['parameters'] == record['model']['trainable'] > 10_000
    (train,) = record['data'].values()  # the tiny config validates on the training images
    path = tiny_trained / 'data/annotations/train.json'
    assert train == {'sha256': sha256(path), 'images': 4, 'cells': {'class1': 8, 'class2': 4}, 'median_area': 285.0}
    assert record['checkpoint']['last'] == {'file': 'epoch_2.pth', 'sha256': sha256(tiny_trained / 'run/epoch_2.pth')}
    assert {'torch', 'numpy', 'onedl-mmdetection'} <= record['versions'].keys()
    assert record['hardware']['cores'] > 0
    assert record['time']['wall_s'] > 0
    assert record['time']['started'] <= record['time']['finished']
    assert record['peak_memory']['process_mb'] > 50
    last = record['metrics']['last']
    assert (last['epoch'], last['iter']) == (2, 4)
    assert 'cell/segm_AP50' in last


def test_the_record_counts_frozen_parameters_and_exposure(tiny_trained, tmp_path):
    extra = """
model['backbone']['frozen_stages'] = 1
custom_hooks = [dict(type='ExposureHook')]
train_cfg['max_epochs'] = 1
default_hooks['checkpoint'].update(save_best='cell/Dice', rule='greater')
"""
    write_config(tmp_path / 'c.py', tiny_trained / 'data', extra)
    run_tool(REPO / 'tools/train.py', 'c.py', cwd=tmp_path)
    record = json.loads((tmp_path / 'work_dirs/c/record.json').read_text())
    assert record['model']['trainable'] < record['model']['parameters']
    assert record['exposure']['instances'] == [8, 4]
    assert record['checkpoint'].keys() <= {'last', 'best'}
    assert record['metrics']['best']['epoch'] == 1

    # Nothing is left to train: what was recorded stays.
    run_tool(REPO / 'tools/train.py', 'c.py', '--resume', cwd=tmp_path)
    resumed = json.loads((tmp_path / 'work_dirs/c/record.json').read_text())
    assert resumed['exposure'].keys() >= {'drawn_share', 'seen_share'}
    assert resumed == record

    # A killed run that is resumed says so, and keeps its shares until new ones are measured.
    (tmp_path / 'work_dirs/c/record.json').write_text(json.dumps({**record, 'status': 'unfinished'}))
    run_tool(REPO / 'tools/train.py', 'c.py', '--resume', cwd=tmp_path)
    resumed = json.loads((tmp_path / 'work_dirs/c/record.json').read_text())
    assert resumed['exposure'] == record['exposure']
    (start,) = resumed['resumed']
    assert (start['epoch'], start['after'], start['changed']) == (1, 'an end without a note, as when killed', {})
    (tmp_path / 'work_dirs/c/record.json').write_text(json.dumps(record))

    output = run_tool(REPO / 'tools/train.py', 'c.py', cwd=tmp_path)
    assert 'Restarting in the folder of an earlier run of this config' in output
    (kept,) = (tmp_path / 'work_dirs/c').glob('record_*.json')
    assert json.loads(kept.read_text()) == record


def config(folder, **values):
    (folder / 'c.py').write_text("model = dict(depth=18)\nrandomness = dict(seed=0)\nwork_dir = 'runs/c'\n")
    cfg = Config.fromfile(folder / 'c.py')
    cfg.merge_from_dict(values)
    return cfg


@pytest.fixture
def taken(tmp_path, monkeypatch):
    """The default folder of the config holds a record of seed 0."""
    monkeypatch.chdir(tmp_path)
    values = {'model.depth': 18, 'randomness.seed': 0}
    for name in ('c', 'other'):
        (tmp_path / 'runs' / name).mkdir(parents=True)
        content = {'status': 'finished', 'config': {'values': values}}
        (tmp_path / 'runs' / name / 'record.json').write_text(json.dumps(content))
    return tmp_path


def test_a_folder_of_another_one_may_not(taken):
    message = r'(?s)another experiment:\n  model.depth: 18 there, 50 now\n  randomness.seed: 0 there, 1 now\n'
    with pytest.raises(RecordError, match=message + '.*--work-dir.*--resume.*--overwrite'):
        check_work_dir(config(taken, **{'randomness.seed': 1, 'model.depth': 50}))


@pytest.mark.parametrize('permit', [{'resume': True}, {'overwrite_record': True}, {'work_dir': 'runs/other'}])
def test_unless_it_was_asked_for(taken, permit):
    assert list(check_work_dir(config(taken, **{'randomness.seed': 1}, **permit))) == ['randomness.seed']


def test_describe_annotations_counts_absent_classes(tmp_path):
    categories = [{'id': 1, 'name': 'a'}, {'id': 5, 'name': 'b'}]
    content = {'images': [{}, {}], 'categories': categories, 'annotations': [{'category_id': 5}, {'category_id': 5}]}
    (tmp_path / 'a.json').write_text(json.dumps(content))
    assert describe_annotations(tmp_path / 'a.json')['cells'] == {'a': 0, 'b': 2}
