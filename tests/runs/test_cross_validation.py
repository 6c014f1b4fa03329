"""Each fold gets its own files everywhere, and scores are put together as written."""

import json
import math
import shutil

import numpy as np
import pytest
from mmengine.config import Config
from tiny_run import REPO, run_tool, write_config, write_data

from mmcellseg.components.box_masks import BoxMasks
from mmcellseg.data.split import write_subset
from mmcellseg.export.submission import validate_submission
from mmcellseg.reporting.records import read_record
from mmcellseg.runs import cross_validation
from mmcellseg.runs.cross_validation import (
    check_folds,
    fold_config,
    fold_start,
    fold_weights,
    mean_and_std,
    record_folds,
    run_fold,
    submit_folds,
    summarise,
)
from mmcellseg.structures.results import read_results, write_results


def config(root):
    cells = {'type': 'CellDataset', 'data_root': str(root)}
    paste = {'type': 'RareClassCopyPaste', 'ann_file': 'annotations/train_holdout.json', 'data_root': str(root)}
    train = {**cells, 'ann_file': 'annotations/train_holdout.json', 'pipeline': [{'type': 'LoadTiffImage'}, paste]}
    return Config(
        {
            'train_dataloader': {'dataset': {'type': 'ClassWeightedDataset', 'dataset': train}},
            'val_dataloader': {'dataset': {**cells, 'ann_file': 'annotations/val_holdout.json'}},
            'val_evaluator': {'type': 'CellMetric', 'ann_file': f'{root}/annotations/val_holdout.json'},
            'val_cfg': {'type': 'ValLoop'},
            'test_dataloader': {'dataset': {**cells, 'ann_file': 'annotations/test.json'}},
            'test_evaluator': {'type': 'CellMetric', 'ann_file': f'{root}/annotations/test.json', 'format_only': True},
        }
    )


def test_every_annotation_file_becomes_the_folds(tmp_path):
    cfg = fold_config(config(tmp_path), 3, tmp_path / 'out.json')
    train = cfg.train_dataloader.dataset.dataset
    assert train.ann_file == 'annotations/fold3_train.json'
    # pasting cells of the fold kept apart would leak them into training
    assert train.pipeline[1].ann_file == 'annotations/fold3_train.json'
    assert cfg.val_dataloader.dataset.ann_file == 'annotations/fold3_val.json'
    assert cfg.test_dataloader.dataset.ann_file == 'annotations/fold3_val.json'
    assert cfg.test_evaluator.ann_file == cfg.val_evaluator.ann_file == f'{tmp_path}/annotations/fold3_val.json'
    assert cfg.test_evaluator.results_file == str(tmp_path / 'out.json')
    assert 'format_only' not in cfg.test_evaluator


def test_a_fold_goes_on_from_its_own_fold_of_the_step_before(tmp_path):
    """That step's own weights, and those of its other folds, have seen the images that this fold keeps apart."""
    write_data(tmp_path)
    coco = json.loads((tmp_path / 'annotations' / 'train.json').read_text())
    for fold in range(2):
        for part in ('train', 'val'):
            write_subset(coco, [1, 2], tmp_path / 'annotations' / f'fold{fold}_{part}.json')
    for name in ('s01_tiny.py', 's02_more.py'):
        (tmp_path / name).write_text('')
    cfg = Config(
        {**config(tmp_path), 'load_from': 'work_dirs/s01_tiny/epoch_2.pth'}, filename=str(tmp_path / 's02_more.py')
    )
    folder = tmp_path / 'runs' / 's02_more_cv'
    assert fold_start(cfg, 1, folder) == f'{tmp_path}/runs/s01_tiny_cv/fold1/epoch_2.pth'
    before = tmp_path / 'runs' / 's01_tiny_cv'
    (before / 'fold0').mkdir(parents=True)
    (before / 'fold0' / 'results.json').write_text('[]')
    with pytest.raises(FileNotFoundError, match='s01_tiny_cv/fold1 is not a finished fold; first run'):
        check_folds(cfg, 2, folder)
    (before / 'fold1').mkdir()
    (before / 'fold1' / 'results.json').write_text('[]')
    check_folds(cfg, 2, folder)
    for pretrained in ('https://models.example/mask-rcnn/coco.pth', 'elsewhere/epoch_2.pth', None):
        cfg.load_from = pretrained
        assert fold_start(cfg, 1, folder) == pretrained
        check_folds(cfg, 2, folder)


def test_a_config_that_trains_on_all_images_is_validated_by_its_test_pipeline(tmp_path):
    given = config(tmp_path)
    given.val_dataloader = given.val_evaluator = given.val_cfg = None
    before = given.pretty_text
    cfg = fold_config(given, 0, 'out.json')
    assert cfg.val_dataloader.dataset.ann_file == 'annotations/fold0_val.json'
    assert cfg.val_evaluator == {'type': 'CellMetric', 'ann_file': f'{tmp_path}/annotations/fold0_val.json'}
    assert cfg.val_cfg.type == 'ValLoop'
    assert given.pretty_text == before  # the given config stays as it is


def test_missing_and_surplus_folds_are_refused_before_training(tmp_path):
    folder = tmp_path / 'annotations'
    folder.mkdir()
    with pytest.raises(FileNotFoundError, match=r'fold0_train.json is not there: write the folds first'):
        check_folds(config(tmp_path), 2, tmp_path)
    for fold in range(3):
        for side in ('train', 'val'):
            (folder / f'fold{fold}_{side}.json').write_text('{}')
    check_folds(config(tmp_path), 3, tmp_path)
    with pytest.raises(ValueError, match='split into more than --folds 2 folds'):
        check_folds(config(tmp_path), 2, tmp_path)


def test_a_fold_goes_on_where_it_was(tmp_path, monkeypatch):
    calls = []

    def run(tool, *arguments):
        calls.append(tool)
        if tool == 'train.py':
            (tmp_path / 'fold1' / 'best_x.pth').write_text('')
        if tool == 'test.py' and calls.count('test.py') == 1:
            raise RuntimeError('killed')
        (tmp_path / 'fold1' / 'results.json').write_text('[]') if tool == 'test.py' else None

    monkeypatch.setattr(cross_validation, 'run_tool', run)
    with pytest.raises(RuntimeError, match='killed'):
        run_fold(config(tmp_path), 1, tmp_path)
    run_fold(config(tmp_path), 1, tmp_path)
    run_fold(config(tmp_path), 1, tmp_path)  # done: nothing runs
    assert calls == ['train.py', 'test.py', 'train.py', 'test.py']
    dumped = Config.fromfile(tmp_path / 'fold1.py')
    assert dumped.val_dataloader.dataset.ann_file == 'annotations/fold1_val.json'
    other = config(tmp_path)
    other.optim_wrapper = {'optimizer': {'lr': 0.5}}
    with pytest.raises(ValueError, match=r'(?s)fold1.py was begun with another config:.*optimizer.lr: .* 0.5 now'):
        run_fold(other, 1, tmp_path)


def test_mean_and_std_by_hand():
    summary = mean_and_std([{'a': 1.0, 'b': math.nan}, {'a': 3.0, 'b': 0.5}])
    assert summary['a'] == (2.0, math.sqrt(2))  # (1 + 1) / (2 − 1)
    assert summary['b'][0] == 0.5
    assert math.isnan(summary['b'][1])


def test_scores_and_out_of_fold_predictions(tmp_path):
    (tmp_path / 'annotations').mkdir()
    rle = BoxMasks.from_windows([[2, 2, 8, 8]], [np.ones((6, 6), np.uint8)], 16, 16).to_rles()[0]
    rle['counts'] = rle['counts'].decode()
    paths = []
    for fold, score in ((0, 0.9), (1, None)):
        image = {'id': fold + 1, 'file_name': f'{fold}.tif', 'height': 16, 'width': 16}
        cell = {'id': 1, 'image_id': fold + 1, 'category_id': 1, 'bbox': [2, 2, 6, 6], 'area': 36, 'iscrowd': 0}
        coco = {'images': [image], 'annotations': [{**cell, 'segmentation': rle}]}
        coco['categories'] = [{'id': 1, 'name': 'class1'}]
        (tmp_path / 'annotations' / f'fold{fold}_val.json').write_text(json.dumps(coco))
        entry = {'image_id': fold + 1, 'category_id': 1, 'bbox': [2, 2, 6, 6], 'score': score, 'segmentation': rle}
        paths.append(tmp_path / f'{fold}.json')
        write_results(paths[-1], [entry] if score else [])
    table = summarise(config(tmp_path), paths, tmp_path)
    row = next(line.split() for line in table.splitlines() if line.startswith('segm_AP50 '))
    assert row == ['segm_AP50', '1.0000', '0.0000', '0.5000', '±', '0.7071']
    assert [e['image_id'] for e in read_results(tmp_path / 'oof-results.json')] == [1]
    saved = json.loads((tmp_path / 'cross-validation.json').read_text())
    assert saved['mean']['segm_AP50'] == 0.5


def test_two_folds_and_their_views_to_a_submission(tmp_path, monkeypatch):
    """The views of both folds' models are merged; the record's threshold is fitted on the images out of fold.

    A fold whose results are taken away resumes, finds nothing to train, and is tested again.
    """
    monkeypatch.setattr(
        cross_validation, 'run_tool', lambda tool, *options: run_tool(REPO / 'tools' / tool, *options, cwd=tmp_path)
    )
    root = write_data(tmp_path / 'data')
    coco = json.loads((root / 'annotations' / 'train.json').read_text())
    for fold, (train, val) in enumerate((([1, 2], [3, 4]), ([3, 4], [1, 2]))):
        write_subset(coco, train, root / 'annotations' / f'fold{fold}_train.json')
        write_subset(coco, val, root / 'annotations' / f'fold{fold}_val.json')
    write_config(tmp_path / 'tiny.py', root, 'train_cfg["max_epochs"] = 1')
    views = tmp_path / 'tiny2.py'
    views.write_text(
        "_base_ = './tiny.py'\nweights = 'tiny'\ntta = True\ntta_model = dict(type='CellTTAModel', keep_views=True)\n"
    )
    (tmp_path / 'tiny2_cv').mkdir()
    (tmp_path / 'tiny_cv' / 'fold0').mkdir(parents=True)
    (tmp_path / 'tiny_cv' / 'fold0' / 'epoch_1.pth').write_text('')  # its training goes on elsewhere
    with pytest.raises(FileNotFoundError, match='tiny_cv/fold0 is not a finished fold; first run'):
        check_folds(Config.fromfile(views), 2, tmp_path / 'tiny2_cv')
    shutil.rmtree(tmp_path / 'tiny_cv')
    for path in (tmp_path / 'tiny.py', views):
        cfg, folder = Config.fromfile(path), tmp_path / f'{path.stem}_cv'
        check_folds(cfg, 2, folder)
        results = [run_fold(cfg, fold, folder) for fold in range(2)]
        assert {e['image_id'] for e in read_results(results[0])} <= {3, 4}
        first = results[0].read_bytes()
        results[0].unlink()
        assert run_fold(cfg, 0, folder).read_bytes() == first
    assert fold_weights(cfg, 1, folder) == tmp_path / 'tiny_cv/fold1'
    assert not list(folder.glob('fold*/*.pth'))  # nothing was trained
    summarise(cfg, results, folder)
    record_folds(str(views), cfg, results, folder)
    record = read_record(folder)
    assert (record['kind'], record['weights']) == ('cross-validation', {'step': 'tiny_cv'})
    assert record['validation']['images'] == sorted(image['file_name'] for image in coco['images'])
    of_folds = [record['folds'][f'fold{k}']['AJI'] for k in range(2)]
    assert record['folds']['mean and std']['AJI'] == pytest.approx(
        [np.mean(of_folds), np.std(of_folds, ddof=1)], abs=1e-4
    )
    zip_path = submit_folds(cfg, 2, folder)
    assert validate_submission(zip_path, root / 'annotations/test.json', [1, 2]) == []
    monkeypatch.setattr(cross_validation, 'merge_files', lambda members, *_: pytest.fail('merged twice'))
    assert submit_folds(cfg, 2, folder) == zip_path
    members = []
    monkeypatch.setattr(cross_validation, 'merge_files', lambda found, *_: members.extend(found))
    monkeypatch.setattr(cross_validation, 'write_submission', lambda *_: None)
    zip_path.unlink()
    submit_folds(cfg, 2, folder)
    assert len(members) == 8  # two models, four views each
    assert (members[7].name, members[7].results) == (
        'fold 1, test-results.view3',
        f'{folder}/fold1/test-results.view3.json',
    )
    of_view = read_results(folder / 'oof-results.view2.json')
    assert of_view == [e for path in results for e in read_results(path.with_name('results.view2.json'))]
    assert {e['image_id'] for e in of_view} <= {1, 2, 3, 4}
