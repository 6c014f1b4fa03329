"""Folds are disjoint, complete, stratified, and keep groups whole."""

import json

import numpy as np
import pytest
from drawn_cells import coco_of

from mmcellseg.data.folds import assign_folds, read_folds, read_groups, split_folds, write_folds


def test_by_hand():
    # The rare class is in groups 1 and 3: one for each fold. Then the common class: 6 goes to the fold with less.
    fold = assign_folds(np.array([[6, 0], [4, 1], [2, 0], [4, 1]]), [1, 1, 1, 1], 2)
    assert fold[1] != fold[3]
    totals = [np.array([6, 4, 2, 4])[fold == k].sum() for k in (0, 1)]
    assert sorted(totals) == [6, 10]
    assert np.bincount(fold).tolist() == [2, 2]


@pytest.mark.parametrize('seed', range(5))
def test_every_image_is_in_one_fold_and_rare_classes_in_all(seed):
    rng = np.random.default_rng(seed)
    common, second = rng.poisson(80, 60), rng.poisson(60, 60) * (rng.random(60) < 0.8)
    third = rng.poisson(20, 60) * (np.arange(60) % 10 == seed)  # in 6 images at most
    counts = np.column_stack([common, second, third, (np.arange(60) == 7) * 3])  # the last in a single image
    fold = assign_folds(counts, np.ones(60), 5)
    assert set(fold) == {0, 1, 2, 3, 4}
    per_fold = np.array([counts[fold == k].sum(0) for k in range(5)])
    for c in range(4):
        if (counts[:, c] > 0).sum() >= 5:
            assert (per_fold[:, c] > 0).all()
    assert per_fold[:, 0].max() / per_fold[:, 0].min() < 1.2
    assert np.ptp(np.bincount(fold)) <= 3


def test_a_class_with_as_many_groups_as_folds_is_in_every_fold():
    # Two classes that lie in 5 groups each, some in common: placing the first must not block the second.
    counts = np.zeros((12, 2), dtype=int)
    counts[[0, 1, 2, 3, 4], 0] = [9, 1, 1, 1, 1]
    counts[[3, 4, 5, 6, 7], 1] = [5, 5, 1, 1, 1]
    fold = assign_folds(counts, np.ones(12), 5)
    for c in (0, 1):
        assert len(set(fold[counts[:, c] > 0])) == 5


def test_groups_stay_whole():
    counts = np.random.default_rng(0).poisson(9, (30, 3))
    groups = [f'slide{i // 3}' for i in range(30)]
    fold_of = split_folds(coco_of(counts), groups, 4)
    assert sorted(fold_of) == list(range(1, 31))
    for slide in range(10):
        assert len({fold_of[slide * 3 + i + 1] for i in range(3)}) == 1


def test_every_image_is_validated_once_and_other_folds_are_not_overwritten(tmp_path):
    data = coco_of([[2, 0], [1, 1], [0, 3], [4, 1]])
    fold_of = split_folds(data, list('abcd'), 2)
    written = write_folds(data, fold_of, tmp_path)
    assert json.loads((tmp_path / 'folds.json').read_text()) == {f'{i}.tif': fold for i, fold in fold_of.items()}
    validated = []
    for fold in (0, 1):
        train, val = (json.loads((tmp_path / f'fold{fold}_{side}.json').read_text()) for side in ('train', 'val'))
        inside, outside = ({image['id'] for image in part['images']} for part in (val, train))
        assert inside | outside == {1, 2, 3, 4}
        assert not inside & outside
        assert {a['image_id'] for a in val['annotations']} <= inside
        assert len(val['annotations']) + len(train['annotations']) == 12
        validated += sorted(inside)
    assert sorted(validated) == [1, 2, 3, 4]
    before = [path.read_bytes() for path in written]
    assert write_folds(data, read_folds(tmp_path / 'folds.json', data), tmp_path) == written
    assert [path.read_bytes() for path in written] == before
    with pytest.raises(FileExistsError, match=r'folds\.json holds other folds'):
        write_folds(data, {i: 1 - fold for i, fold in fold_of.items()}, tmp_path)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{"1.tif": 0, "2.tif": 1}', '1 of the 3 images to split have no fold, such as 3.tif'),
        ('{"1.tif": 0, "2.tif": 1, "3.tif": 0, "4.tif": 0}', '1 of its images are not among .* such as 4.tif'),
        ('{"1.tif": 0, "2.tif": 2, "3.tif": 0}', r'numbered from 0 without a gap, found \[0, 2\]'),
        ('{"1.tif": 0, "2.tif": 1, "3.tif": "0"}', 'expected {"file_name": fold, …} with whole numbers'),
        ('{"1.tif": 0', 'truncated or not valid JSON'),
    ],
)
def test_folds_that_do_not_fit_are_refused(tmp_path, text, message):
    (tmp_path / 'frozen.json').write_text(text)
    with pytest.raises(ValueError, match=rf'frozen\.json.*{message}'):
        read_folds(tmp_path / 'frozen.json', coco_of([[1], [1], [1]]))


def test_what_cannot_be_split(tmp_path):
    with pytest.raises(ValueError, match='5 folds need as many groups of images, found 2'):
        split_folds(coco_of([[1], [1], [1]]), ['a', 'a', 'b'], 5)
    with pytest.raises(ValueError, match='at least 2 folds, got 1'):
        split_folds(coco_of([[1], [1]]), ['a', 'b'], 1)
    data = coco_of([[1], [1]])
    data['images'][1]['file_name'] = '1.tif'
    with pytest.raises(ValueError, match=r'two images have the file_name 1\.tif'):
        write_folds(data, {1: 0, 2: 1}, tmp_path)


@pytest.mark.parametrize(
    ('name', 'text', 'outcome'),
    [
        ('g.json', '{"a.tif": "p1", "b.tif": 2, "c.tif": 3}', ['p1', '2']),
        ('g.csv', 'file_name,group\nb.tif,p2\na.tif,p1\n', ['p1', 'p2']),
        ('g.csv', '\ufeffa.tif,p1\n\nb.tif,p2\n\n', ['p1', 'p2']),  # as spreadsheets write it
        ('g.csv', 'a.tif,p1', 'g.csv: 1 of 2 images have no group, such as b.tif'),
        ('g.csv', 'a.tif,\nb.tif,p2', 'g.csv: 1 images have an empty group, such as a.tif'),
        ('g.csv', 'a.tif,p1\nb.tif,p2\na.tif,p2', 'g.csv: 1 images have two groups, such as a.tif'),
        ('g.csv', b'\xe4.tif,p1', 'g.csv: expected a json .* or a csv of file_name,group, in UTF-8'),
        ('bad.json', '[1, 2]', 'bad.json: expected a json'),
    ],
)
def test_group_files(tmp_path, name, text, outcome):
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    if isinstance(outcome, list):
        assert read_groups(tmp_path / name, ['a.tif', 'b.tif']) == outcome
        return
    with pytest.raises(ValueError, match=outcome):
        read_groups(tmp_path / name, ['a.tif', 'b.tif'])
