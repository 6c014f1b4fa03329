import importlib.util
import json
import sys
from pathlib import Path

import pytest
from pycocotools.mask import frPyObjects

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'analysis_tools' / 'eval_results.py'


@pytest.fixture
def files(tmp_path) -> tuple[Path, Path]:
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


def run(monkeypatch, *args) -> int:
    spec = importlib.util.spec_from_file_location('eval_results', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, 'argv', ['eval_results.py', *map(str, args)])
    return module.main()


def test_figures_and_json(files, tmp_path, monkeypatch, capsys) -> None:
    assert run(monkeypatch, *files, '--json', tmp_path / 'out.json', '--errors') == 0
    printed = capsys.readouterr().out
    assert '1 cells in 1 images of' in printed
    assert 'segm_AP50_round          1.0000' in printed
    assert 'confusion matrix' in printed
    content = json.loads((tmp_path / 'out.json').read_text())
    assert content['figures']['PQ'] == 1.0
    assert content['figures']['segm_AP_long'] is None  # no such cell
    assert content['errors']['confusion'] == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]


def test_intervals_and_options(files, tmp_path, monkeypatch, capsys) -> None:
    options = ['--intervals', 20, '--metric', 'segm', 'panoptic', 'matching', '--f1-radius', 6]
    assert run(monkeypatch, *files, '--json', tmp_path / 'out.json', *options) == 0
    printed = capsys.readouterr().out
    assert '95 % intervals from 20 draws of the 1 images' in printed
    assert 'segm_AP50_round          1.0000  1.0000 to 1.0000' in printed
    assert 'F1@0.9                   1.0000  1.0000 to 1.0000' in printed
    assert 'max_dets                 1\n' in printed
    content = json.loads((tmp_path / 'out.json').read_text())
    assert content['intervals']['bPQ'] == [1.0, 1.0]
    assert content['intervals']['PQ_long'] == [None, None]
    assert run(monkeypatch, *files, '--f1-radius', -1) == 1
    assert 'f1_radius is -1.0, expected a distance in px from 0 up' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run(monkeypatch, *files, '--intervals', 0)
    assert '--intervals 0: expected one draw of the images or more' in capsys.readouterr().err


def test_bad_input_is_told_without_a_traceback(files, monkeypatch, capsys) -> None:
    results, ann = files
    entries = json.loads(results.read_text())
    results.write_text(json.dumps([{**entries[0], 'image_id': 8}]))
    assert run(monkeypatch, results, ann) == 1
    error = capsys.readouterr().err
    assert 'results.json: nothing was evaluated\nentry 0 (image 8): image id 8 is not among the 1 known images' in error
    results.write_text('[{"image_id": 1, ')
    assert run(monkeypatch, results, ann) == 1
    assert 'results.json' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'score': 1.5}, 'score 1.5, expected'),
        ({'bbox': [0, 0, 0, 2]}, 'bbox [0, 0, 0, 2] has width 0'),
        ({}, 'it is the same as an earlier entry'),
    ],
)
def test_predictions_that_none_may_submit_are_refused(files, monkeypatch, capsys, change, message) -> None:
    results, ann = files
    entries = json.loads(results.read_text())
    results.write_text(json.dumps([*entries, entries[0] | change]))
    assert run(monkeypatch, results, ann) == 1
    assert f'results.json: nothing was evaluated\nentry 1 (image 1): {message}' in capsys.readouterr().err


def test_an_annotation_that_is_listed_twice_is_refused(files, monkeypatch, capsys) -> None:
    results, ann = files
    content = json.loads(ann.read_text())
    ann.write_text(json.dumps(content | {'annotations': content['annotations'] * 2}))
    assert run(monkeypatch, results, ann) == 1
    assert 'ann.json: annotations[0] and annotations[1] have the same id 1' in capsys.readouterr().err


def test_boxes_given_by_corners_are_refused_where_boxes_count(files, monkeypatch, capsys) -> None:
    results, ann = files
    content = json.loads(ann.read_text())
    content['images'][0] |= {'height': 9, 'width': 9}
    cell = {'size': [9, 9], 'counts': [40, 4, 5, 4, 28]}
    content['annotations'][0] |= {'bbox': [4, 4, 2, 4], 'area': 8, 'segmentation': cell}
    ann.write_text(json.dumps(content))
    coded = {'size': [9, 9], 'counts': frPyObjects(cell, 9, 9)['counts'].decode()}
    entry = {'image_id': 1, 'category_id': 1, 'bbox': [4, 4, 6, 8], 'score': 0.9, 'segmentation': coded}
    results.write_text(json.dumps([entry]))
    assert run(monkeypatch, results, ann) == 1
    assert 'its boxes fit its masks better as x0, y0, x1, y1' in capsys.readouterr().err
    assert run(monkeypatch, results, ann, '--metric', 'segm') == 0
    assert 'segm_AP50_round          1.0000' in capsys.readouterr().out


def test_figures_that_cannot_be_written_are_told_without_a_traceback(files, tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / 'taken').write_text('a file')
    assert run(monkeypatch, *files, '--json', tmp_path / 'taken' / 'out.json') == 1
    printed = capsys.readouterr()
    assert 'segm_AP50_round          1.0000' in printed.out
    assert 'out.json: the figures cannot be written there' in printed.err
