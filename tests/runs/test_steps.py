"""A step trains once, is validated and recorded, and its submission carries the fitted threshold."""

import csv
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config

from mmcellseg.components import provenance
from mmcellseg.components import record as ledger
from mmcellseg.components.box_masks import BoxMasks
from mmcellseg.export.submission import validate_submission
from mmcellseg.reporting import records
from mmcellseg.reporting.comparison import look_up
from mmcellseg.runs import steps
from mmcellseg.runs.ensembles import is_ensemble, run_ensemble_step, submit_ensemble_step
from mmcellseg.runs.steps import check_publishable, fit_score_threshold, run_step, submit_step, weights_leaf, weights_of
from mmcellseg.structures.results import read_results, write_results

REPO = Path(__file__).resolve().parents[2]

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


def finished(folder, cfg, **facts):
    folder.mkdir(parents=True, exist_ok=True)
    record = {'status': 'finished', 'kind': 'train', 'config': ledger.config_facts(cfg), 'code': {'dirty': False}}
    best = {'epoch': 7, 'cell/segm_AP50': 0.5, 'cell/PQ': 0.4}
    record |= {'metrics': {'best': best, 'last': best}, **facts}
    records.write_record(folder, record, ledger.experiment(cfg))
    (folder / 'best_epoch_1.pth').write_text('')


def test_threshold_by_hand(tmp_path, ann_file):
    # Both cells are found at 0.62 and 0.48, a false positive at 0.33: PQ is 1 / (1 + 0.5 FN) above 0.48,
    # 1 from 0.35 to 0.45, and 2 / 2.5 below.
    write_results(tmp_path / 'r.json', [entry(2, 0.62), entry(12, 0.48), entry(30, 0.33)])
    threshold, figures = fit_score_threshold(tmp_path / 'r.json', str(ann_file))
    assert threshold == 0.35  # the lowest of the equally good ones
    assert figures['bPQ'] == figures['AJI'] == 1
    assert figures['segm_AP50'] == 1  # AP counts all predictions; the false one has the lowest score


@pytest.fixture
def series(tmp_path, ann_file):
    """Leaves a1 and a12 that train, and a2 that takes the weights of one; the config and folder of each."""
    (tmp_path / 'configs').mkdir()

    def leaf(name, extra=''):
        path = tmp_path / 'configs' / f'{name}.py'
        path.write_text(CONFIG.replace('{ann}', str(ann_file)) + extra)
        return path, Config.fromfile(path), tmp_path / 'runs' / name

    leaf('a1_first')
    leaf('a12_other')
    return leaf


def test_weights_are_those_of_the_step_that_is_named(series):
    path, cfg, folder = series('a2_larger', "weights = 'a1'")
    source = folder.parent / 'a1_first'
    for facts in (None, {'status': 'unfinished'}, {'kind': 'test'}):
        if facts:
            finished(source, cfg, **facts)
        with pytest.raises(
            FileNotFoundError,
            match=r"a2_larger.py: weights = 'a1': expected a finished training and its checkpoint in .*a1_first; "
            r'first run tools/run_step.py .*a1_first.py',
        ):
            weights_of(path, cfg, folder)
    finished(source, cfg)
    assert weights_of(path, cfg, folder) == source  # and not a12_other
    (source / 'best_epoch_1.pth').unlink()
    with pytest.raises(FileNotFoundError, match='and its checkpoint'):
        weights_of(path, cfg, folder)
    assert weights_of(*series('a1_first')) is None


@pytest.mark.parametrize(
    ('name', 'message'),
    [('a', 'expected one leaf a.py or a_….py beside it, found none'), ('b', 'found b_1.py, b_2.py'), ('c', "of 'a1'")],
)
def test_weights_that_name_no_single_training(series, name, message):
    for other in ('b_1', 'b_2'):
        series(other)
    series('c', "weights = 'a1'")
    with pytest.raises(ValueError, match=message):
        weights_of(*series('d', f'weights = {name!r}'))


def test_the_weights_of_every_leaf_are_those_of_one_that_trains():
    found = {}
    for path in sorted((REPO / 'configs').glob('[!_]*/*.py')):
        if (named := re.search(r"^weights = '(\w+)'$", path.read_text(), re.MULTILINE)) is not None:
            found[path.stem] = weights_leaf(path, named[1]).stem
    assert found['s22_scale150_tta'] == 's20_scale150'


def test_a_training_that_begins_from_a_missing_file_does_not_start(series, tools):
    path, _, folder = series('a1_first', "load_from = 'nowhere/epoch_5.pth'")
    with pytest.raises(FileNotFoundError, match=r"a1_first.py: load_from = 'nowhere/epoch_5.pth' is not there"):
        run_step(str(path), folder)
    assert tools == []


@pytest.fixture
def tools(tmp_path, config, monkeypatch):
    """Stand-ins for the tools that leave what the real ones leave, and the list of the calls."""
    calls = []

    def run(tool, *arguments):
        calls.append((tool, arguments, Config.fromfile(arguments[0]).get('tta', False)))
        folder = Path(arguments[arguments.index('--work-dir') + 1])
        if tool == 'train.py':
            finished(folder, Config.fromfile(arguments[0]))
        elif '--format-only' in arguments:
            (folder / 't1').mkdir(parents=True, exist_ok=True)
            (folder / 't1' / 'submission.zip').write_bytes(b'zip')
            for name in ('test-results.json', 'test-results.view0.json'):
                (folder / 't1' / name).write_text('[]')
        else:
            validate = Config.fromfile(arguments[0])
            assert validate.test_dataloader == validate.val_dataloader
            write_results(validate.test_evaluator.results_file, [entry(2, 0.9), entry(12, 0.7), entry(30, 0.6)])
            finished(folder / 't1', validate, kind='test', weights={'file': arguments[1], 'sha256': '0'})

    monkeypatch.setattr(steps, 'run_tool', run)
    return calls


def test_a_step_from_training_to_submission(tmp_path, config, tools):
    folder = tmp_path / 'runs' / 'step'
    with pytest.raises(FileNotFoundError, match='no finished step; run it first'):
        submit_step(str(config), folder)
    run_step(str(config), folder, ['--amp'])
    assert [call[0] for call in tools] == ['train.py', 'test.py']
    assert tools[0][1] == (str(config), '--work-dir', str(folder), '--resume', '--amp')
    content = json.loads((folder / 'metrics.json').read_text())
    assert content['label_map_score_threshold'] == 0.65
    assert content['metrics']['bPQ'] == 1
    record = records.read_record(folder)
    assert record['about'] == 'A step of a test.'
    validation = record['validation']
    assert (validation['images'], validation['label_map_score_threshold']) == (['a.tif'], 0.65)
    assert validation['metrics']['segm_AP50'] == look_up(record, 'bPQ') == 1
    assert 'bbox_AP_small' in content['metrics']
    assert 'bbox_AP_small' not in validation['metrics']
    assert record['metrics'] == {'best': {'epoch': 7, 'cell/segm_AP50': 0.5}}
    run_step(str(config), folder)  # done: nothing runs
    assert len(tools) == 2
    for _ in range(2):  # the second time nothing runs
        submit_step(str(config), folder)
        assert (folder / 'submission.zip').read_bytes() == b'zip'
        assert len(tools) == 3
    os.utime(folder / 'metrics.json', (2**33, 2**33))  # validated anew
    (folder / 'test-results.view7.json').write_text('[]')
    submit_step(str(config), folder)
    assert len(tools) == 4
    assert sorted(path.name for path in folder.glob('test-*')) == ['test-results.json', 'test-results.view0.json']


def test_a_step_on_mirrored_views(series, tools):
    """It has no training of its own: views concern the test only."""
    path, _, first = series('a1_first')
    run_step(str(path), first)
    path, _, folder = series('a2_mirrored', "weights = 'a1'\ntta = True")
    run_step(str(path), folder)
    submit_step(str(path), folder)
    assert [(call[0], call[2]) for call in tools] == [
        ('train.py', False),
        ('test.py', False),
        ('test.py', True),  # tools/test.py goes by the config
        ('test.py', True),
    ]
    assert {call[1][1] for call in tools[1:]} == {str(first / 'best_epoch_1.pth')}
    assert (folder / 'test-results.view0.json').is_file()
    record = records.read_record(folder)
    assert (record['kind'], record['weights']['step']) == ('test', 'a1_first')
    assert record['config']['file'].endswith('a2_mirrored.py')
    assert record['config']['values']['tta'] is True


def test_a_step_on_all_images_takes_the_validation_of_another(series, tools, tmp_path):
    path, _, folder = series('a3_all', "validated_by = 'a1_first_cv'\ntta = True")
    other = folder.parent / 'a1_first_cv'
    with pytest.raises(FileNotFoundError, match=r"a3_all.py: validated_by = 'a1_first_cv': expected .*record.json"):
        run_step(str(path), folder)
    assert tools == []  # hours of training would have had no threshold
    validation = {'ann_file': 'oof-images.json', 'images': 27, 'label_map_score_threshold': 0.6}
    validation['metrics'] = {'segm_AP50': 0.5, 'bPQ': 0.4, 'AJI': 0.3}
    finished(other, Config.fromfile(path), kind='cross-validation', validation=validation)
    run_step(str(path), folder)
    assert [call[0] for call in tools] == ['train.py']  # and no test on images that it was trained on
    assert records.read_record(folder)['validation'] == {'of': 'a1_first_cv', **validation}
    submit_step(str(path), folder)
    assert (folder / 'submission.zip').read_bytes() == b'zip'


def test_a_trained_step_is_trained_again_only_where_its_weights_are_gone(series, tools):
    path, cfg, folder = series('a1_first')
    finished(folder, cfg)  # and its validation was interrupted
    run_step(str(path), folder)
    assert [call[0] for call in tools] == ['test.py']
    for gone in ('metrics.json', 'best_epoch_1.pth'):  # as in a clone, which has the record only
        (folder / gone).unlink()
    run_step(str(path), folder)
    assert [call[0] for call in tools] == ['test.py', 'train.py', 'test.py']


def test_a_record_to_be_tracked_is_refused_from_changed_files(series, tools, monkeypatch):
    path, cfg, folder = series('a1_first')
    changes = ['configs/a1_first.py']
    monkeypatch.setattr(provenance, 'is_published', lambda folder: True)
    monkeypatch.setattr(provenance, 'changed_files', lambda: changes)
    with pytest.raises(RuntimeError, match=r'configs/a1_first.py differs from the commit; commit first'):
        run_step(str(path), folder)
    assert tools == []
    changes.clear()
    monkeypatch.setattr(steps, 'fit_score_threshold', lambda *_: changes.append('x.py') or (0.5, {}))
    with pytest.raises(RuntimeError, match='x.py differs'):  # changed while it ran
        run_step(str(path), folder)
    assert 'validation' not in records.read_record(folder)
    changes.clear()
    finished(folder, cfg, code={'commit': 'c0ffee', 'dirty': True})
    with pytest.raises(RuntimeError, match='its training began with changes to commit c0ffee'):
        check_publishable(folder)


def test_the_table_of_a_series(series, tools, monkeypatch):
    monkeypatch.setattr(provenance, 'is_published', lambda folder: True)
    monkeypatch.setattr(provenance, 'changed_files', list)
    for path, _, folder in (series('a1_first'), series('a2_mirrored', "weights = 'a1'\ntta = True")):
        run_step(str(path), folder)
    head, *rows = csv.reader((folder.parent / 'results.csv').read_text().splitlines())
    assert [row[: head.index('dirty')] for row in rows] == [
        ['a1_first', 'A step of a test.', 'train', '', '', ''],
        ['a2_mirrored', 'A step of a test.', 'test', 'a1_first', '', ''],
    ]
    assert [row[head.index('segm_AP50')] for row in rows] == ['1.0000', '1.0000']
    assert (len(head), head[-1]) == (1 + 8 + 12 + 1, 'status')


def test_models_of_the_folds_count_together_on_images_out_of_fold(tmp_path, ann_file):
    """Three members: the first two have the same file. Their cell scores (2 × 0.6) / 3, the other's 0.6 / 3."""
    for name, x in (('views', 2), ('other', 20)):
        write_results(tmp_path / f'{name}.json', [entry(x, 0.6)])
    named = zip(('fold 0', 'fold 1', 'other'), ('views', 'views', 'other'))
    members = [{'name': name, 'results': name, 'oof': str(tmp_path / f'{file}.json')} for name, file in named]
    values = {'members': members, 'fusion': {'type': 'SharedMaskFusion'}, 'oof_ann_file': str(ann_file)}
    config = tmp_path / 'folds.py'
    config.write_text('"""Folds."""\n' + '\n'.join(f'{key} = {value!r}' for key, value in values.items()))
    run_ensemble_step(str(config), tmp_path / 'runs')
    scores = {e['bbox'][0]: e['score'] for e in read_results(tmp_path / 'runs' / 'val-results.json')}
    assert scores == pytest.approx({2: 0.4, 20: 0.2})
    curves = tmp_path / 'calibrated' / 'calibration.json'
    config.write_text(config.read_text() + f"\nfusion['calibration'] = '{curves}'")
    run_ensemble_step(str(config), curves.parent)
    fitted = json.loads(curves.read_text())
    assert list(fitted) == ['fold 0', 'fold 1', 'other']
    assert fitted['fold 0'] == fitted['fold 1']


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
    config.write_text(config.read_text().replace("'oof'", "'checkpoint'"))
    with pytest.raises(ValueError, match=r"merged.py: expected oof_ann_file.*lacking: \['a', 'b'\]"):
        run_ensemble_step(str(config), tmp_path / 'runs')
