"""The thin command lines over data and records: what they print, and what they refuse."""

import json

import numpy as np
import pytest
from PIL import Image

BALANCE, FOLDS = 'analysis_tools/class_balance.py', 'dataset_converters/split_folds.py'


@pytest.fixture
def ann(tmp_path):
    """Two images: three cells of the first class in one, one of each in the other."""
    cells = [(1, 1), (1, 1), (1, 1), (2, 1), (2, 2)]
    content = {
        'images': [{'id': i, 'file_name': f'{i}.tif', 'height': 9, 'width': 9} for i in (1, 2)],
        'categories': [{'id': 1, 'name': 'common'}, {'id': 2, 'name': 'rare'}],
        'annotations': [{'id': k, 'image_id': i, 'category_id': c} for k, (i, c) in enumerate(cells, 1)],
    }
    path = tmp_path / 'train.json'
    path.write_text(json.dumps(content))
    return path


def test_class_balance(run, ann):
    lines = run(BALANCE, ann, '--weighting', 'inverse').out.splitlines()
    # N / n = 5 / 4 and 5; image weights 1.25 and 3.125, so the rare class expects 3.125 of 3.75 + 3.125 · 2
    assert lines[-3].split() == ['common', '4', '2', '1.250', '80.00%', '68.75%']
    assert lines[-2].split() == ['rare', '1', '1', '5.000', '20.00%', '31.25%']


@pytest.mark.parametrize('tool', [BALANCE, FOLDS])
def test_a_file_that_is_no_annotation_file_is_named(run, tmp_path, tool):
    given = [tmp_path, '--folds', 2] if tool == FOLDS else []
    (tmp_path / 'bad.json').write_text('[1]')
    assert 'bad.json: expected a COCO annotation file' in run(tool, tmp_path / 'bad.json', *given, code=1).err


def test_folds_that_cannot_be_are_refused_before_images_are_read(run, ann, tmp_path):
    assert 'train.json: 5 folds of 2 images' in run(FOLDS, ann, tmp_path, '--groups', 'auto', code=1).err
    assert not (tmp_path / 'folds.json').exists()
    content = json.loads(ann.read_text())
    del content['images'][1]['file_name']
    ann.write_text(json.dumps(content))
    nameless = 'train.json: the images with these ids have no file_name: [2]'
    assert nameless in run(FOLDS, ann, tmp_path, '--folds', 2, code=1).err


def test_folds_are_listed(run, ann, tmp_path):
    assert 'fold 0' in run(FOLDS, ann, tmp_path / 'out', '--folds', 2).out
    frozen = tmp_path / 'out' / 'folds.json'
    assert sorted(json.loads(frozen.read_text()).values()) == [0, 1]
    assert run(FOLDS, ann, tmp_path / 'again', '--folds', frozen).out.startswith('  ')
    for path in frozen.parent.iterdir():
        assert (tmp_path / 'again' / path.name).read_bytes() == path.read_bytes()
    said = run(FOLDS, ann, tmp_path, '--folds', frozen, '--groups', 'auto', code=1).err
    assert 'folds that are read have no use for --groups auto' in said


def test_runs_are_compared_by_what_matters(run, tmp_path):
    """Of all that ``work_dirs/*`` names, only a folder without any record is mentioned."""
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'README.md').write_text('text')
    for name, path in (('a', 'a'), ('b', 'b'), ('c', 'series/c')):
        values = {'model.depth': name, 'train_pipeline.1.prob': name, **{f'k.{i}': name for i in range(9)}}
        record = {'status': 'finished', 'config': {'values': values}}
        record |= {'metrics': {'best': {'cell/segm_AP50': 0.5, 'cell/segm_AP75': 0.25}}}
        (tmp_path / path).mkdir(parents=True)
        (tmp_path / path / 'record.json').write_text(json.dumps(record))
    printed = run('analysis_tools/compare_runs.py', *sorted(tmp_path.iterdir()), '--sort', 'segm_AP50')
    keys = ' | '.join(f'k.{i}' for i in range(7))
    assert printed.out.splitlines()[0] == f'| run | model.depth | {keys} | segm_AP50 | status |'
    assert [line.split(' | ')[0] for line in printed.out.splitlines()[2:]] == ['| a', '| b']
    assert printed.err == f'no record.json in {tmp_path / "empty"}\n3 more keys differ: --all shows them\n'
    head = run('analysis_tools/compare_runs.py', *sorted(tmp_path.iterdir()), '--all').out.splitlines()[0]
    assert {'train_pipeline.1.prob', 'k.8', 'cell/segm_AP75'} <= set(head.split(' | '))
    said = run('analysis_tools/compare_runs.py', tmp_path / 'empty', code=1).err
    assert 'holds the record of a run' in said


def test_predictions_that_are_the_truth_are_drawn_as_the_truth(run, synthetic_dir, tmp_path):
    ann = synthetic_dir / 'annotations/train.json'
    cells = json.loads(ann.read_text())['annotations']
    (tmp_path / 'results.json').write_text(json.dumps([{**cell, 'score': 0.9} for cell in cells]))
    words = (tmp_path / 'results.json', ann, '--out', tmp_path / 'drawn.png', '--images', 2)
    run('analysis_tools/contours.py', *words)
    drawn = np.asarray(Image.open(tmp_path / 'drawn.png').convert('RGB'))
    assert (drawn == [230, 60, 60]).all(2).any()  # the first class, of the legend at least
    largest = max(json.loads(ann.read_text())['images'], key=lambda i: sum(c['image_id'] == i['id'] for c in cells))
    height, width = 2 * largest['height'], 2 * largest['width']
    truth, predicted = (drawn[36 : 36 + height, x : x + width] for x in (0, width + 8))
    assert (truth == predicted).all()
    run('analysis_tools/contours.py', *words, '--score-thr', 0.95)
    drawn = np.asarray(Image.open(tmp_path / 'drawn.png').convert('RGB'))
    assert (drawn[36 : 36 + height, :width] != drawn[36 : 36 + height, width + 8 : 2 * width + 8]).any()
    said = run('analysis_tools/contours.py', tmp_path / 'no.json', ann, code=1).err
    assert 'no.json' in said
