"""A step trains once, is validated and recorded, and its submission carries the fitted threshold."""

import json
import os

import numpy as np
import pytest
from mmengine.config import Config

from mmcellseg.components import record as ledger
from mmcellseg.components.box_masks import BoxMasks
from mmcellseg.export.submission import validate_submission
from mmcellseg.reporting import records
from mmcellseg.reporting.comparison import look_up
from mmcellseg.runs import experiment, launch
from mmcellseg.runs.ensemble_step import is_ensemble, run_ensemble_step, submit_ensemble_step
from mmcellseg.runs.experiment import (
    as_trained,
    find_training,
    fit_score_threshold,
    run_step,
    submit_step,
    trained_alike,
)
from mmcellseg.structures.results import read_results, write_results

CONFIG = """\"\"\"A step of a test.

More of it.
\"\"\"
model = dict(type='MaskRCNN', test_cfg=dict(rcnn=dict(max_per_img=100)))
train_dataloader = dict(batch_size=2)
optim_wrapper = dict(type='OptimWrapper')
val_dataloader = dict(dataset=dict(ann_file='val.json', pipeline=['test']))
val_evaluator = dict(type='CellMetric', ann_file='{ann}')
"""


def entry(x, score, image_id=1):
    rle = BoxMasks.from_windows([[x, 2, x + 6, 8]], [np.ones((6, 6), np.uint8)], 16, 40).to_rles()[0]
    rle['counts'] = rle['counts'].decode()
    return {'image_id': image_id, 'category_id': 1, 'bbox': [x, 2, 6, 6], 'score': score, 'segmentation': rle}


@pytest.fixture
def ann_file(tmp_path):
    """One image with two cells, at x = 2 and x = 12."""
    cells = [{'id': k, 'area': 36, 'iscrowd': 0, **entry(x, 1)} for k, x in ((1, 2), (2, 12))]
    content = {'images': [{'id': 1, 'file_name': 'a.tif', 'height': 16, 'width': 40}], 'annotations': cells}
    path = tmp_path / 'val.json'
    path.write_text(json.dumps({**content, 'categories': [{'id': 1, 'name': 'class1'}]}))
    return path


@pytest.fixture
def config(tmp_path, ann_file):
    path = tmp_path / 'step.py'
    path.write_text(CONFIG.replace('{ann}', str(ann_file)))
    return path


def finished(folder, cfg, status='finished'):
    folder.mkdir(parents=True)
    records.write_record(folder, {'status': status, 'config': {'values': ledger.experiment(cfg)}})
    (folder / 'best_epoch_1.pth').write_text('')


def test_threshold_by_hand(tmp_path, ann_file):
    # Both cells are found at 0.62 and 0.48, a false positive at 0.33: PQ is 1 / (1 + 0.5 FN) above 0.48,
    # 1 from 0.35 to 0.45, and 2 / 2.5 below.
    write_results(tmp_path / 'r.json', [entry(2, 0.62), entry(12, 0.48), entry(30, 0.33)])
    threshold, figures = fit_score_threshold(tmp_path / 'r.json', str(ann_file))
    assert threshold == 0.35  # the lowest of the equally good ones
    assert figures['bPQ'] == figures['AJI'] == 1
    assert figures['segm_AP50'] == 1  # AP counts all predictions; the false one has the lowest score


def test_weights_are_shared_by_steps_that_differ_in_testing_only(tmp_path, config):
    cfg = Config.fromfile(config)
    finished(tmp_path / 'runs' / 'a', cfg)
    larger = Config.fromfile(config)
    larger.val_dataloader.dataset.pipeline = ['larger test']
    larger.model.test_cfg.rcnn.max_per_img = 50
    assert find_training(larger, tmp_path / 'runs' / 'b') == tmp_path / 'runs' / 'a'
    # The record of its own test, which such a step ends with, does not make it a training.
    finished(tmp_path / 'runs' / 'b', larger)
    records.write_record(tmp_path / 'runs' / 'b', {**records.read_record(tmp_path / 'runs' / 'b'), 'kind': 'test'})
    assert find_training(larger, tmp_path / 'runs' / 'b') == tmp_path / 'runs' / 'a'
    other = Config.fromfile(config)
    other.train_dataloader.batch_size = 4
    assert find_training(other, tmp_path / 'runs' / 'b') is None


def test_options_of_the_training_are_those_of_the_step(tmp_path, config):
    options = ['--cfg-options', 'train_dataloader.batch_size=4', '--seed', '3', '--resume']
    cfg = as_trained(str(config), options)
    assert (cfg.train_dataloader.batch_size, cfg.randomness.seed) == (4, 3)
    finished(tmp_path / 'runs' / 'a', cfg)
    config.write_text(config.read_text() + '\ntta = True\n')
    assert find_training(as_trained(str(config), options), tmp_path / 'runs' / 'b') == tmp_path / 'runs' / 'a'
    assert find_training(as_trained(str(config)), tmp_path / 'runs' / 'b') is None


def test_mixed_precision_without_an_accelerator_does_not_hide_a_training(tmp_path, config, monkeypatch):
    monkeypatch.setattr(launch, 'has_accelerator', lambda: False)
    config.write_text(config.read_text().replace("type='OptimWrapper'", "type='AmpOptimWrapper'"))
    assert Config.fromfile(config).optim_wrapper.type == 'AmpOptimWrapper'
    cfg = Config.fromfile(config)
    launch.set_precision(cfg)  # as tools/train.py does
    finished(tmp_path / 'runs' / 'a', cfg)
    assert find_training(as_trained(str(config)), tmp_path / 'runs' / 'b') == tmp_path / 'runs' / 'a'


def test_a_broken_record_beside_a_step_is_left_out_with_a_word(tmp_path, config, capsys):
    (tmp_path / 'runs' / 'a').mkdir(parents=True)
    (tmp_path / 'runs' / 'a' / 'record.json').write_text('{')
    cfg = Config.fromfile(config)
    finished(tmp_path / 'runs' / 'b', cfg)
    assert find_training(cfg, tmp_path / 'runs' / 'c') == tmp_path / 'runs' / 'b'
    assert 'a/record.json: is no JSON' in capsys.readouterr().out


def test_an_unfinished_training_does_not_count(tmp_path, config):
    cfg = Config.fromfile(config)
    finished(tmp_path / 'a', cfg, status='unfinished')
    assert not trained_alike(cfg, tmp_path / 'a')
    assert not trained_alike(cfg, tmp_path / 'nothing')


@pytest.fixture
def tools(tmp_path, config, monkeypatch):
    """Stand-ins for the tools that leave what the real ones leave, and the list of the calls."""
    calls = []

    def run(tool, *arguments):
        calls.append((tool, arguments, Config.fromfile(arguments[0]).get('tta', False)))
        folder = tmp_path / 'runs' / 'step'
        if tool == 'train.py':
            finished(folder, Config.fromfile(config))
        elif '--format-only' in arguments:
            (folder / 'test' / 't1').mkdir(parents=True, exist_ok=True)
            (folder / 'test' / 't1' / 'submission.zip').write_bytes(b'zip')
            for name in ('test-results.json', 'test-results.view0.json'):
                (folder / 'test' / 't1' / name).write_text('[]')
        else:
            validate = Config.fromfile(arguments[0])
            assert validate.test_dataloader == validate.val_dataloader
            write_results(validate.test_evaluator.results_file, [entry(2, 0.9), entry(12, 0.7), entry(30, 0.6)])

    monkeypatch.setattr(experiment, 'run_tool', run)
    return calls


def test_a_step_from_training_to_submission(tmp_path, config, tools):
    folder = tmp_path / 'runs' / 'step'
    run_step(str(config), folder, ['--amp'])
    assert [call[0] for call in tools] == ['train.py', 'test.py']
    assert tools[0][1] == (str(config), '--work-dir', str(folder), '--resume', '--amp')
    content = json.loads((folder / 'metrics.json').read_text())
    assert content['label_map_score_threshold'] == 0.65
    assert content['metrics']['bPQ'] == 1
    record = records.read_record(folder)
    assert record['about'] == 'A step of a test.'
    assert record['validation'] == content
    assert look_up(record, 'bPQ') == 1
    run_step(str(config), folder)  # done: nothing runs
    assert len(tools) == 2
    submit_step(str(config), folder)
    assert (folder / 'submission.zip').read_bytes() == b'zip'
    assert records.read_record(folder)['label_map_score_threshold'] == 0.65
    assert len(tools) == 3
    submit_step(str(config), folder)  # done: nothing runs
    assert len(tools) == 3
    os.utime(folder / 'metrics.json', (2**33, 2**33))  # validated anew
    (folder / 'test-results.view7.json').write_text('[]')
    submit_step(str(config), folder)
    assert len(tools) == 4
    assert sorted(path.name for path in folder.glob('test-*')) == ['test-results.json', 'test-results.view0.json']


def test_options_that_change_the_config_do_not_hide_its_own_training_from_the_submission(tmp_path, config, tools):
    folder = tmp_path / 'runs' / 'step'
    run_step(str(config), folder, ['--cfg-options', 'train_dataloader.batch_size=4'])
    record = records.read_record(folder)
    record['config']['values']['train_dataloader.batch_size'] = 4
    records.write_record(folder, record)
    assert submit_step(str(config), folder).read_bytes() == b'zip'
    assert tools[-1][1][1] == str(folder / 'best_epoch_1.pth')


def test_a_step_on_mirrored_views(tmp_path, config, tools):
    """It has no training of its own: views concern the test only."""
    folder = tmp_path / 'runs' / 'step'
    run_step(str(config), folder)
    config.write_text(config.read_text() + '\ntta = True\n')
    assert find_training(Config.fromfile(config), tmp_path / 'runs' / 'mirrored') == folder
    (folder / 'metrics.json').unlink()
    run_step(str(config), folder)
    submit_step(str(config), folder)
    assert [(call[0], call[2]) for call in tools] == [
        ('train.py', False),
        ('test.py', False),
        ('test.py', True),  # tools/test.py goes by the config
        ('test.py', True),
    ]
    assert (folder / 'test-results.view0.json').is_file()


def test_submitting_before_running_is_refused(tmp_path, config, tools):
    with pytest.raises(FileNotFoundError, match='no finished step; run it first'):
        submit_step(str(config), tmp_path / 'runs' / 'step')


def test_an_ensemble_step_from_merging_to_submission(tmp_path, ann_file, capsys):
    images = [{'id': 7, 'file_name': 't.tif', 'height': 16, 'width': 40}]
    (tmp_path / 'ids.json').write_text(json.dumps(images))
    categories = [{'id': 1, 'name': 'class1'}]
    (tmp_path / 'test.json').write_text(json.dumps({'images': images, 'categories': categories}))
    members = []
    for name, xs in (('a', (2, 12)), ('b', (2, 13))):
        files = [tmp_path / f'{name}{kind}.json' for kind in ('val', 'test')]
        for file, image_id in zip(files, (1, 7)):
            write_results(file, [entry(x, 0.8 if name == 'a' else 0.7, image_id) for x in xs])
        members.append({'name': name, 'oof': str(files[0]), 'results': str(files[1])})
    values = {
        'members': members,
        'fusion': {'type': 'NMSFusion', 'iou': 'box', 'threshold': 0.5},
        'ann_file': str(tmp_path / 'test.json'),
        'ids_file': str(tmp_path / 'ids.json'),
        'oof_ann_file': str(ann_file),
    }
    config = tmp_path / 'merged.py'
    config.write_text('"""Two merged."""\n' + '\n'.join(f'{key} = {value!r}' for key, value in values.items()))
    assert is_ensemble(Config.fromfile(config))
    folder = tmp_path / 'runs' / 'merged'
    with pytest.raises(FileNotFoundError, match='no finished step; run it first'):
        submit_ensemble_step(str(config), folder)
    run_ensemble_step(str(config), folder)
    run_ensemble_step(str(config), folder)
    assert 'merged: done already' in capsys.readouterr().out
    record = records.read_record(folder)
    assert (record['status'], record['kind'], record['about']) == ('finished', 'ensemble', 'Two merged.')
    assert record['config']['values']['members.b'] == 1
    assert record['validation']['metrics']['segm_AP50'] == 1
    # Both cells have a score of 0.8: every threshold up to it is as good, and the lowest is taken.
    assert record['validation']['label_map_score_threshold'] == 0.05
    zip_path = submit_ensemble_step(str(config), folder)
    assert validate_submission(zip_path, tmp_path / 'ids.json', [1]) == []
    assert {e['image_id'] for e in read_results(folder / 'test-results.json')} == {7}
    assert records.read_record(folder)['label_map_score_threshold'] == 0.05


def test_an_ensemble_step_without_validation_predictions_is_refused(tmp_path):
    config = tmp_path / 'merged.py'
    config.write_text(
        "members = [dict(name='a', results='a.json')]\nfusion = dict(type='NMSFusion')\noof_ann_file = 'v'"
    )
    with pytest.raises(ValueError, match=r"merged.py: expected oof_ann_file.*lacking: \['a'\]"):
        run_ensemble_step(str(config), tmp_path / 'runs')
