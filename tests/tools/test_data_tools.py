"""The thin command lines over data and records: what they print, and what they refuse."""

import json
import runpy
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


@pytest.fixture
def run(monkeypatch, capsys):
    def call(tool, *arguments):
        monkeypatch.setattr(sys, 'argv', [tool, *map(str, arguments)])
        runpy.run_path(str(TOOLS / tool), run_name='__main__')
        return capsys.readouterr()

    return call


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
    lines = run('analysis_tools/class_balance.py', ann, '--weighting', 'inverse').out.splitlines()
    # N / n = 5 / 4 and 5; image weights 1.25 and 3.125, so the rare class expects 3.125 of 3.75 + 3.125 · 2
    assert lines[-3].split() == ['common', '4', '2', '1.250', '80.00%', '68.75%']
    assert lines[-2].split() == ['rare', '1', '1', '5.000', '20.00%', '31.25%']


@pytest.mark.parametrize('tool', ['analysis_tools/class_balance.py', 'dataset_converters/split_folds.py'])
@pytest.mark.parametrize('content', ['{}', '[1]', '{"images": [], "categories": [], "annotations": [{"image_id": 9}]}'])
def test_what_is_no_annotation_file_is_named(run, tmp_path, tool, content):
    (tmp_path / 'bad.json').write_text(content)
    with pytest.raises(SystemExit, match=r'bad.json: .*(expected a COCO annotation file|expected integers)'):
        run(tool, tmp_path / 'bad.json', *([tmp_path] if 'folds' in tool else []))


@pytest.mark.parametrize('tool', ['analysis_tools/class_balance.py', 'dataset_converters/split_folds.py'])
@pytest.mark.parametrize('kind', ['images', 'categories'])
def test_ids_that_come_twice_are_named(run, ann, tmp_path, tool, kind):
    content = json.loads(ann.read_text())
    content[kind].append(content[kind][0])
    ann.write_text(json.dumps(content))
    with pytest.raises(SystemExit, match=rf'train.json: {kind}\[0\] and {kind}\[2\] have the same id 1, expected'):
        run(tool, ann, *([tmp_path, '--folds', 2] if 'folds' in tool else []))


def test_images_without_a_file_name_are_named(run, ann, tmp_path):
    content = json.loads(ann.read_text())
    del content['images'][1]['file_name']
    ann.write_text(json.dumps(content))
    with pytest.raises(SystemExit, match=r'train.json: the images with these ids have no file_name: \[2\]'):
        run('dataset_converters/split_folds.py', ann, tmp_path, '--folds', 2)


def test_more_folds_than_images_is_refused_before_images_are_read(run, ann, tmp_path):
    with pytest.raises(SystemExit, match=r'train.json: 5 folds of 2 images'):
        run('dataset_converters/split_folds.py', ann, tmp_path, '--groups', 'auto')
    assert not (tmp_path / 'folds.json').exists()


def test_folds_are_listed(run, ann, tmp_path):
    out = run('dataset_converters/split_folds.py', ann, tmp_path / 'out', '--folds', 2).out
    assert 'fold 0' in out
    frozen = tmp_path / 'out' / 'folds.json'
    assert sorted(json.loads(frozen.read_text()).values()) == [0, 1]
    assert run('dataset_converters/split_folds.py', ann, tmp_path / 'again', '--folds', frozen).out.startswith('  ')
    for path in frozen.parent.iterdir():
        assert (tmp_path / 'again' / path.name).read_bytes() == path.read_bytes()
    with pytest.raises(SystemExit, match=r'folds that are read have no use for --groups auto'):
        run('dataset_converters/split_folds.py', ann, tmp_path, '--folds', frozen, '--groups', 'auto')


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
    given = sorted(path for path in tmp_path.iterdir() if path.name != 'train.json')
    printed = run('analysis_tools/compare_runs.py', *given, '--sort', 'segm_AP50')
    keys = ' | '.join(f'k.{i}' for i in range(7))
    assert printed.out.splitlines()[0] == f'| run | model.depth | {keys} | segm_AP50 | status |'
    assert [line.split(' | ')[0] for line in printed.out.splitlines()[2:]] == ['| a', '| b']
    assert printed.err == f'no record.json in {tmp_path / "empty"}\n3 more keys differ: --all shows them\n'
    head = run('analysis_tools/compare_runs.py', *given, '--all').out.splitlines()[0]
    assert {'train_pipeline.1.prob', 'k.8', 'cell/segm_AP75'} <= set(head.split(' | '))
    with pytest.raises(SystemExit, match='holds the record of a run'):
        run('analysis_tools/compare_runs.py', tmp_path / 'empty')
