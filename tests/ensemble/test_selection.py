"""Choosing members: the greedy draw by hand, and a whole choice among good and useless members."""

import numpy as np
import pytest
from mmengine.config import Config

from mmcellseg.ensemble import NMSFusion, WeightedMaskFusion
from mmcellseg.ensemble.calibration import fit_calibration
from mmcellseg.ensemble.members import ImageSet, Member, read_out_of_fold, share_out_of_fold
from mmcellseg.ensemble.selection import (
    agreement,
    forward_selection,
    select_members,
    selection_config,
    selection_table,
    split_images,
)
from mmcellseg.evaluation.ground_truth import GroundTruth
from mmcellseg.structures.results import ResultsError, write_results

SIZE = (40, 60)
CELLS = [(2, 2, 12, 12, 0.9, 1), (20, 5, 32, 14, 0.8, 2), (40, 20, 55, 33, 0.7, 1), (4, 25, 15, 36, 0.6, 2)]


@pytest.fixture
def truth(entries):
    annotations = [
        {**e, 'id': 10 * i + k, 'area': 9, 'iscrowd': 0} for i in range(1, 5) for k, e in enumerate(entries(CELLS, i))
    ]
    images = [{'id': i, 'height': SIZE[0], 'width': SIZE[1]} for i in range(1, 5)]
    categories = [{'id': c, 'name': f'class{c}'} for c in (1, 2)]
    return GroundTruth({'images': images, 'categories': categories, 'annotations': annotations})


@pytest.fixture
def predictions(entries):
    """a finds the first two cells, b the other two, c only noise of the highest scores."""
    noise = [(1, 16, 10, 20, 0.99, 1), (30, 16, 38, 20, 0.98, 2)]
    found = {'a': CELLS[:2], 'b': CELLS[2:], 'c': noise}
    return {name: {i: entries(rows, i) for i in range(1, 5)} for name, rows in found.items()}


def test_the_greedy_draw_worked_by_hand():
    worth = {
        (('x', 1),): 0.5,
        (('y', 1),): 0.6,
        (('x', 1), ('y', 1)): 0.6,
        (('y', 2),): 0.7,
        (('x', 1), ('y', 2)): 0.9,
        (('y', 3),): 0.1,
    }
    asked = []

    def score(weightings):
        asked.append([dict(w) for w in weightings])
        return [worth.get(tuple(sorted(w.items())), 0.2) for w in weightings]

    drawn, weights = forward_selection(['x', 'y'], score, 4)
    assert drawn == [('y', 0.6), ('y', 0.7), ('x', 0.9), ('x', 0.2)]
    assert weights == {'y': 2, 'x': 1}
    assert asked[1] == [{'y': 1, 'x': 1}, {'y': 2}]


def test_split_is_seeded_and_leaves_none_empty():
    ids = [5, 3, 9, 7]
    choose, apart = split_images(ids, 0.5, seed=1)
    assert sorted(choose + apart) == [3, 5, 7, 9]
    assert (choose, apart) == split_images(ids[::-1], 0.5, seed=1)
    assert len(split_images(ids, 0.0, 0)[1]) == len(split_images(ids, 1.0, 0)[0]) == 1
    with pytest.raises(ValueError, match='1 annotated images cannot be split'):
        split_images([1], 0.5, 0)


def test_agreement_worked_by_hand(entries):
    a = {1: entries([(0, 0, 10, 10, 0.9, 1), (20, 0, 30, 10, 0.9, 1), (40, 0, 50, 10, 0.1, 1)])}
    b = {1: entries([(0, 0, 10, 9, 0.9, 1), (20, 0, 30, 10, 0.9, 2)]), 2: entries([(0, 0, 5, 5, 0.9, 1)], 2)}
    sizes = {1: SIZE, 2: SIZE}
    assert agreement(a, b, sizes) == agreement(b, a, sizes) == 2 * 1 / (2 + 3)
    assert agreement({}, {}, sizes) == 0


def test_a_useless_member_is_not_chosen(truth, predictions, tmp_path):
    selection = select_members(predictions, truth, NMSFusion(), rounds=3, workers=1)
    assert selection.images == (2, 2)
    assert selection.own['c'] == 0
    assert selection.without['c'] < 0 < selection.without['a']
    assert set(selection.weights) == {'a', 'b'}
    assert selection.chosen == [1, 1]
    assert selection.everyone[1] < 1
    assert selection.agreement[('a', 'b')] == 0
    table = selection_table(selection)
    assert '| the chosen | 1.0000 | 1.0000 |' in table
    of_pairs = [line for line in table.split('\n') if line.startswith(('| agreement', '| 1 ', '| 2 ', '| 3 '))]
    ranked = sorted(selection.own, key=lambda name: -selection.own[name])
    assert of_pairs[:4] == [
        '| agreement | 1 | 2 |',
        f'| 1 {ranked[0]} |  |  |',
        f'| 2 {ranked[1]} | 0.000 |  |',
        f'| 3 {ranked[2]} | 0.000 | 0.000 |',
    ]
    members = [Member(n, f'work_dirs/{n}', config='x.py', oof=['o1', 'o2']) for n in 'abc']
    path = tmp_path / 'chosen.py'
    path.write_text(selection_config(selection, members, {'ann_file': 'a.json', 'fusion': {'type': 'NMSFusion'}}))
    cfg = Config.fromfile(path)
    assert [Member(**m) for m in cfg.members] == [
        Member(n, f'work_dirs/{n}', 1.0, 'x.py', oof=['o1', 'o2']) for n in 'ab'
    ]
    assert '1.0000 on the 2 images chosen on, 1.0000 on the 2 kept' in path.read_text()


def test_processes_choose_as_one_does(truth, predictions):
    one, two = (select_members(predictions, truth, WeightedMaskFusion(), 'segm_AP', 2, workers=n) for n in (1, 2))
    assert one == two


def test_metrics_that_cannot_judge_are_refused(truth, predictions):
    with pytest.raises(ValueError, match="metric 'segm_AP51', expected one of"):
        select_members(predictions, truth, NMSFusion(), 'segm_AP51')
    truth.categories[3] = 'class3'  # no cell is of it
    with pytest.raises(ValueError, match='segm_AP50_class3 is not defined on the 2 images chosen on'):
        select_members(predictions, truth, NMSFusion(), 'segm_AP50_class3', rounds=1)
    with pytest.raises(ValueError, match='rounds is 0, expected at least 1'):
        select_members(predictions, truth, NMSFusion(), rounds=0)


def test_out_of_fold_files_are_joined_and_checked(tmp_path, truth, predictions):
    images = ImageSet(truth.images, [1, 2], True)
    for i in (1, 2):
        write_results(tmp_path / f'fold{i}.json', predictions['a'][i])
    member = Member('a', 'x', oof=[str(tmp_path / f'fold{i}.json') for i in (1, 2)])
    assert read_out_of_fold([member], images)['a'] == {i: predictions['a'][i] for i in (1, 2)}
    twice = Member('a', 'x', oof=[str(tmp_path / 'fold1.json')] * 2)
    with pytest.raises(ResultsError, match=r"fold1\.json: another oof file of member 'a' has image 1 too"):
        read_out_of_fold([twice], images)
    with pytest.raises(ValueError, match="member 'a' has no oof"):
        read_out_of_fold([Member('a', 'x')], images)
    write_results(tmp_path / 'fold2.json', [{**predictions['a'][2][0], 'category_id': 5}])
    with pytest.raises(ResultsError, match=r'fold2\.json: .*\nentry 0 .*unknown category 5'):
        read_out_of_fold([member], images)


def test_members_of_the_same_out_of_fold_files_are_a_group():
    a, b = Member('a', '1', oof='x'), Member('b', '2', oof=['x', 'y'])
    c, d, e, f = (Member(n, n, oof=o) for n, o in zip('cdef', ('x', ['x', 'y'], None, None)))
    assert share_out_of_fold([a, b, c, d, e, f]) == [[a, c], [b, d], [e], [f]]


def test_calibration_learns_who_is_right(truth, predictions, rng):
    right = {name: {i: [dict(e) for e in es] for i, es in of.items()} for name, of in predictions.items()}
    for of_member in right.values():
        for image in of_member.values():
            for entry in image:
                entry['score'] = float(rng.uniform(0.4, 0.6))
    curves = fit_calibration({**right, 'none': {}}, truth)
    assert curves['none'] == {}
    assert curves['a'] == {}  # not one miss to learn from
    mixed = {i: right['a'][i] + right['c'][i][:1] for i in right['a']}
    (slope, offset) = fit_calibration({'m': mixed}, truth)['m']['all']
    assert np.isfinite([slope, offset]).all()
