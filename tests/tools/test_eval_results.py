"""What eval_results.py prints and writes, and what it refuses."""

import functools
import json

import pytest
from pycocotools.mask import frPyObjects


@pytest.fixture
def evaluate(run):
    return functools.partial(run, 'analysis_tools/eval_results.py')


@pytest.fixture
def files(tmp_path):
    """One cell of 2 × 2 px in a 4 × 5 image of two classes, found exactly."""
    rle = {'size': [4, 5], 'counts': [0, 2, 2, 2, 14]}
    ann = {'id': 1, 'image_id': 1, 'category_id': 1, 'bbox': [0, 0, 2, 2], 'area': 4, 'segmentation': rle}
    data = {
        'images': [{'id': 1, 'file_name': 'a.tif', 'height': 4, 'width': 5}],
        'categories': [{'id': 1, 'name': 'round'}, {'id': 2, 'name': 'long'}],
        'annotations': [ann],
    }
    (tmp_path / 'ann.json').write_text(json.dumps(data))
    coded = {'size': [4, 5], 'counts': '0220<'}
    entry = {'image_id': 1, 'category_id': 1, 'bbox': [0, 0, 2, 2], 'score': 0.9, 'segmentation': coded}
    (tmp_path / 'results.json').write_text(json.dumps([entry]))
    return tmp_path / 'results.json', tmp_path / 'ann.json'


def test_figures_and_json(files, tmp_path, evaluate):
    printed = evaluate(*files, '--json', tmp_path / 'out.json', '--errors').out
    for said in ('1 cells in 1 images of', 'segm_AP50_round          1.0000', 'confusion matrix'):
        assert said in printed
    content = json.loads((tmp_path / 'out.json').read_text())
    assert content['figures']['PQ'] == 1.0
    assert content['figures']['segm_AP_long'] is None  # no such cell
    assert content['errors']['confusion'] == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]


def test_intervals_and_options(files, tmp_path, evaluate):
    options = ['--intervals', 20, '--metric', 'segm', 'panoptic', 'matching', '--f1-radius', 6]
    printed = evaluate(*files, '--json', tmp_path / 'out.json', *options).out
    for said in (
        '95 % intervals from 20 draws of the 1 images',
        'segm_AP50_round          1.0000  1.0000 to 1.0000',
        'F1@0.9                   1.0000  1.0000 to 1.0000',
        'max_dets                 1\n',
    ):
        assert said in printed
    intervals = json.loads((tmp_path / 'out.json').read_text())['intervals']
    assert (intervals['bPQ'], intervals['PQ_long']) == ([1.0, 1.0], [None, None])
    radius = evaluate(*files, '--f1-radius', -1, code=1).err
    assert 'f1_radius is -1.0, expected a distance in px from 0 up' in radius
    assert '--intervals 0: expected one draw of the images or more' in evaluate(*files, '--intervals', 0, code=2).err


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'image_id': 8}, 'entry 1 (image 8): image id 8 is not among the 1 known images'),
        ({'score': 1.5}, 'entry 1 (image 1): score 1.5, expected'),
        ({'bbox': [0, 0, 0, 2]}, 'entry 1 (image 1): bbox [0, 0, 0, 2] has width 0'),
        ({}, 'entry 1 (image 1): it is the same as an earlier entry'),
    ],
)
def test_predictions_that_none_may_submit_are_refused(files, evaluate, change, message):
    results, ann = files
    entries = json.loads(results.read_text())
    results.write_text(json.dumps([*entries, entries[0] | change]))
    assert f'results.json: nothing was evaluated\n{message}' in evaluate(results, ann, code=1).err


def test_files_that_cannot_be_read_or_written_are_named(files, tmp_path, evaluate):
    results, ann = files
    (tmp_path / 'taken').write_text('a file')
    printed = evaluate(*files, '--json', tmp_path / 'taken' / 'out.json', code=1)
    assert 'segm_AP50_round          1.0000' in printed.out
    assert f'{tmp_path / "taken"}' in printed.err
    (tmp_path / 'torn.json').write_text('[{"image_id": 1, ')
    assert 'torn.json' in evaluate(tmp_path / 'torn.json', ann, code=1).err
    content = json.loads(ann.read_text())
    ann.write_text(json.dumps(content | {'annotations': content['annotations'] * 2}))
    twice = 'ann.json: annotations[0] and annotations[1] have the same id 1'
    assert twice in evaluate(results, ann, code=1).err


def test_boxes_given_by_corners_are_refused_where_boxes_count(files, evaluate):
    results, ann = files
    content = json.loads(ann.read_text())
    content['images'][0] |= {'height': 9, 'width': 9}
    cell = {'size': [9, 9], 'counts': [40, 4, 5, 4, 28]}
    content['annotations'][0] |= {'bbox': [4, 4, 2, 4], 'area': 8, 'segmentation': cell}
    ann.write_text(json.dumps(content))
    coded = {'size': [9, 9], 'counts': frPyObjects(cell, 9, 9)['counts'].decode()}
    entry = {'image_id': 1, 'category_id': 1, 'bbox': [4, 4, 6, 8], 'score': 0.9, 'segmentation': coded}
    results.write_text(json.dumps([entry]))
    assert 'its boxes fit its masks better as x0, y0, x1, y1' in evaluate(results, ann, code=1).err
    assert 'segm_AP50_round          1.0000' in evaluate(results, ann, '--metric', 'segm').out
