"""The rules for the entries of a predictions file."""

import numpy as np
import pytest
from drawn_cells import SIZE, entry

from mmcellseg.structures import results_rules
from mmcellseg.structures.results_rules import REPEATED, Violation, examine

IMAGES = {1: SIZE, 7: SIZE}


def violations(*entries, **options):
    return examine(entries, IMAGES, [1, 2], **options)[0]


def test_good_entries_have_no_violations():
    grown = entry(bbox=[6.0, 7.0, 5.0, 2.0])  # 1 px inside the mask on every side
    assert violations(entry(), entry(0, 0, 30, 20), entry(29, 19, 30, 20, image_id=7), grown) == violations() == []


def rle(counts, size=(20, 30)):
    return {'segmentation': {'size': list(size), 'counts': counts}}


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'image_id': 3}, 'image id 3 is not among the 2 known images'),
        ({'category_id': 5}, 'unknown category 5, expected one of [1, 2]'),
        ({'score': float('nan')}, 'score nan'),
        ({'score': 10**400}, 'expected a finite number in [0, 1]'),
        ({'score': 1.5}, 'score 1.5'),
        ({'bbox': [5, 6, 0, 4]}, 'width 0'),
        ({'bbox': [5, 6, 7]}, 'expected four finite numbers'),
        ({'bbox': [0, 0, 30, 21.5]}, 'larger than the image of width 30 and height 20'),
        ({'bbox': [5, 6, 7, float('inf')]}, 'bbox [5, 6, 7, inf], expected four finite numbers'),
        ({'bbox': [5, 6, 5.9, 4]}, 'the mask reaches x 5–12, y 6–10'),
        ({'bbox': [6.1, 6, 7, 4]}, 'more than 1 px out of bbox [6.1, 6, 7, 4]'),
        ({'segmentation': [[1, 1, 5, 1, 5, 5]]}, 'expected an RLE'),
        (rle('0', (30, 20)), 'RLE size [30, 20], expected [20, 30]'),
        (rle('x~'), 'does not decode'),
        (rle('55'), 'covers 10 px, expected 20 × 30 = 600'),
        (rle('hb0'), 'the mask is empty'),  # 600 = 24 + 32·18
        (rle('0', (float('inf'), 1)), 'RLE size [inf, 1], expected [height, width]'),
        (rle(5), 'counts of type int'),
    ],
)
def test_each_rule(changes, message):
    (found,) = violations(entry(), entry(**changes))
    assert found.index == 1
    assert message in found.problem


def test_several_problems_of_one_entry_are_all_listed():
    found = violations(entry(score=-1, category_id=9), {'image_id': 1}, 5)
    assert [v[:2] for v in found] == [(0, 1), (0, 1), (1, 1), (2, None)]
    assert isinstance(found[0], Violation)
    assert str(found[2]) == 'entry 1 (image 1): it has no bbox, score, category_id, segmentation'
    assert 'expected an object, found 5' in found[3].problem
    # An entry of an unknown image says that alone.
    strangers = (entry(image_id=10**30, size=(4, 9)), entry(image_id=3, bbox=[0, 0, 99, 99]), entry(image_id=[1]))
    found = violations(*strangers, places=np.array([10, 40, 50]))
    assert [v.index for v in found] == [10, 40, 50]
    assert all(v.problem.endswith('is not among the 2 known images') for v in found)


def test_listed_counts_are_said_and_judged():
    (found,) = violations(entry(**rle([106, 4, 16, 4, 470]), bbox=[5, 6, 2, 4]))
    assert found.problem.startswith('the RLE counts are a list, expected the compressed string')
    for counts in ([-5, 605], [600.0], ['600'], [10**30]):
        assert 'the RLE does not decode: counts' in violations(entry(**rle(counts)))[1].problem


def test_an_entry_that_is_there_before():
    other = entry(score=0.5)
    found = violations(entry(), other, entry(image_id=7), entry(), entry(category_id=1), other)
    assert [(v.index, v.rule) for v in found] == [(3, REPEATED), (5, REPEATED)]
    assert 'the same as an earlier entry' in found[0].problem


def test_what_is_not_needed_is_not_looked_at():
    boxes, masks = {k: v for k, v in entry().items() if k != 'segmentation'}, entry(bbox=None)
    assert violations(boxes, masks=False) == violations(masks, boxes=False) == []
    assert len(violations(boxes, masks)) == 2


def test_boxes_as_corners_are_noticed():
    good = [entry(x, 6, x + 5, 10) for x in range(3, 20)]
    corners = [e | {'bbox': [e['bbox'][0], 6, e['bbox'][0] + 5, 10]} for e in good]

    def forms(*entries):
        return examine(entries, IMAGES, [1, 2])[1].tolist()

    assert (set(forms(*good)), set(forms(*corners)), forms()) == ({1}, {-1}, [])
    assert set(forms(*[e | {'score': 7} for e in corners])) == {-1}
    assert forms(good[0], corners[0], entry(0, 0, 5, 5)) == [1, -1, 0]  # the last is the same in both forms
    assert forms(entry(bbox=[5, 6, 0, 4]), entry(bbox='abcd'), 5) == [0, 0, 0]


def test_quick_and_thorough_checks_agree(monkeypatch):
    right = [{}, {'score': 1}, {'category_id': np.int64(1)}, {'bbox': (5, 6, 7.0, 4)}]
    wrong = [{'score': 2.0}, {'category_id': 2.0}, {'segmentation': None}, {'image_id': 1.0}]
    boxes = ([5, 6, 7, True], [5, 6, 0.0, 4], [5, 6, 31.5, 4], [10**400, 6, 31.5, 4], [5, 6, 7, float('nan')])
    entries = [entry(**change) for change in (*right, *wrong, *({'bbox': box} for box in boxes))]
    quick = examine(entries, IMAGES, [1, 2])
    monkeypatch.setattr(results_rules, '_plainly_right', lambda *_: False)
    thorough = examine(entries, IMAGES, [1, 2])
    assert str(quick[0]) == str(thorough[0])
    assert quick[1].tolist() == thorough[1].tolist()
    assert {v.index for v in quick[0]} == set(range(4, 13))
