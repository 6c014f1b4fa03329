"""The predictions file and its checks."""

import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mmcellseg.structures import results, results_check
from mmcellseg.structures.results import (
    ResultsError,
    ResultsFile,
    Violation,
    boxes_fit_xyxy,
    check_entries,
    read_results,
    write_results,
)
from mmcellseg.structures.results_check import mask_extents

SIZE = (20, 30)
IMAGES = {1: SIZE, 7: SIZE}


def entry(x0=5, y0=6, x1=12, y1=10, image_id=1, size=SIZE, **changes):
    bitmap = np.zeros(size, np.uint8, order='F')
    bitmap[y0:y1, x0:x1] = 1
    rle = coco_mask.encode(bitmap)
    made = {
        'image_id': image_id,
        'bbox': [float(x0), float(y0), float(x1 - x0), float(y1 - y0)],
        'score': 0.1 + 0.2,
        'category_id': 2,
        'segmentation': {'size': list(size), 'counts': rle['counts'].decode()},
    }
    return made | changes


def problems(*entries):
    return [(v.index, v.problem) for v in check_entries(entries, IMAGES, [1, 2])]


def test_write_and_read_keep_every_digit(tmp_path):
    entries = [entry(), entry(image_id=7, score=1 / 3), entry(1, 1, 3, 3)]
    path = tmp_path / 'a' / 'r.json'
    assert write_results(path, iter(entries)) == 3
    assert read_results(path) == entries
    assert path.read_text().splitlines()[0] == '['
    assert all(json.loads(line.rstrip(',')) for line in path.read_text().splitlines()[1:-1])
    file = ResultsFile(path)
    assert len(file) == 3
    assert file.image_ids == [1, 7]
    assert file.read(1) == [entries[0], entries[2]]
    assert file.indices(1).tolist() == [0, 2]
    assert file.read(7) == [entries[1]]
    assert file.read(3) == []


def test_numpy_numbers_and_bytes_are_written_plainly(tmp_path):
    given = entry(image_id=np.int64(1), score=np.float64(0.25), bbox=np.arange(1, 5, dtype=np.float32))
    given['segmentation'] = coco_mask.encode(np.ones(SIZE, np.uint8, order='F'))
    write_results(tmp_path / 'r.json', [given])
    (found,) = read_results(tmp_path / 'r.json')
    assert found['bbox'] == [1.0, 2.0, 3.0, 4.0]
    assert found['segmentation'] == {'size': [20, 30], 'counts': given['segmentation']['counts'].decode()}


def test_plain_counts_are_written_compressed(tmp_path):
    bitmap = np.zeros(SIZE, np.uint8, order='F')
    bitmap[6:10, 5:7] = 1
    given = entry(segmentation={'size': [20, 30], 'counts': [106, 4, 16, 4, 470]})
    write_results(tmp_path / 'r.json', [given])
    (found,) = read_results(tmp_path / 'r.json')
    assert found['segmentation'] == {'size': [20, 30], 'counts': coco_mask.encode(bitmap)['counts'].decode()}


def test_nothing_written_is_a_valid_empty_list(tmp_path):
    assert write_results(tmp_path / 'r.json', []) == 0
    assert read_results(tmp_path / 'r.json') == []
    assert ResultsFile(tmp_path / 'r.json').image_ids == []


def test_nan_is_refused_and_the_earlier_file_stays(tmp_path):
    path = tmp_path / 'r.json'
    write_results(path, [entry()])
    with pytest.raises(ResultsError, match=r'r\.json: entry 1 cannot be written'):
        write_results(path, [entry(), entry(score=float('nan'))])
    assert read_results(path) == [entry()]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize('chunk', [5, 7, 64, 4096])
@pytest.mark.parametrize('indent', [None, 0, 3])
def test_foreign_files_in_any_layout_and_chunk(tmp_path, monkeypatch, chunk, indent):
    monkeypatch.setattr(results, '_CHUNK', chunk)
    entries = [entry(image_id=i, note=text) for i, text in [(7, 'a]["\\{'), (1, 'é'), (7, '},'), (7, '')]]
    path = tmp_path / 'r.json'
    path.write_bytes(b' \n' + json.dumps(entries, indent=indent, ensure_ascii=False).encode() + b'\n ')
    file = ResultsFile(path)
    assert file.image_ids == [1, 7]
    assert file.read(7) == [entries[0], entries[2], entries[3]]
    assert file.read(1) == [entries[1]]


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'found nothing'),
        ('{"annotations": []}', 'expected a JSON list'),
        ('[{"image_id": 1}, {"image_', r'breaks at byte 1[0-9].*truncated'),
        ('[{"image_id": 1}', 'truncated'),
        ('[{"image_id": 1},]', 'truncated or not JSON'),
        ('[{"image_id": 1} {"image_id": 2}]', 'expected "," or "]" at byte 17'),
        ('[{"image_id": 1}] []', 'more text after the end'),
        ('[{"image_id": "a"}]', 'entry 0 has no integer image_id'),
        ('[{"image_id": 1}, 5]', 'entry 1 has no integer image_id'),
    ],
)
def test_broken_files_name_themselves(tmp_path, text, message):
    path = tmp_path / 'bad.json'
    path.write_text(text)
    with pytest.raises(ResultsError, match=r'bad\.json.*' + message):
        ResultsFile(path)


def test_missing_file(tmp_path):
    for read in (ResultsFile, read_results):
        with pytest.raises(ResultsError, match=r'none\.json: there is no such'):
            read(tmp_path / 'none.json')


def test_read_results_refuses_what_is_no_list(tmp_path):
    (tmp_path / 'r.json').write_text('[{"image_id": 1')
    with pytest.raises(ResultsError, match=r'r\.json: truncated'):
        read_results(tmp_path / 'r.json')
    (tmp_path / 'r.json').write_text('{}')
    with pytest.raises(ResultsError, match=r'r\.json: expected a JSON list'):
        read_results(tmp_path / 'r.json')


def test_good_entries_have_no_violations():
    assert problems(entry(), entry(0, 0, 30, 20), entry(29, 19, 30, 20, image_id=7)) == []
    assert problems() == []
    grown = entry(bbox=[6.0, 7.0, 5.0, 2.0])  # 1 px inside the mask on every side
    assert problems(grown) == []


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'image_id': 3}, 'image id 3 is not among the 2 known images'),
        ({'image_id': True}, 'image id True'),
        ({'category_id': 5}, 'unknown category 5, expected one of [1, 2]'),
        ({'score': float('nan')}, 'score nan'),
        ({'score': 1.5}, 'score 1.5'),
        ({'score': '0.5'}, "score '0.5'"),
        ({'bbox': [5, 6, 0, 4]}, 'width 0'),
        ({'bbox': [5, 6, 7]}, 'expected four numbers'),
        ({'bbox': [5, 6, 7, float('inf')]}, 'not finite'),
        ({'bbox': [5, 6, 5.9, 4]}, 'the mask reaches x 5–12, y 6–10'),
        ({'bbox': [6.1, 6, 7, 4]}, 'more than 1 px out of bbox [6.1, 6, 7, 4]'),
        ({'segmentation': [[1, 1, 5, 1, 5, 5]]}, 'expected an RLE'),
        ({'segmentation': {'size': [30, 20], 'counts': '0'}}, 'RLE size [30, 20], expected [20, 30]'),
        ({'segmentation': {'size': [20, 30], 'counts': 'x~'}}, 'does not decode'),
        ({'segmentation': {'size': [20, 30], 'counts': 'P'}}, 'does not decode'),
        ({'segmentation': {'size': [20, 30], 'counts': '55'}}, 'covers 10 px, expected 20 × 30 = 600'),
        ({'segmentation': {'size': [20, 30], 'counts': [600]}}, 'the mask is empty'),
        ({'segmentation': {'size': [20, 30], 'counts': [-5, 605]}}, 'negative run'),
        ({'segmentation': {'size': [20, 30], 'counts': 5}}, 'counts of type int'),
    ],
)
def test_each_rule(changes, message):
    found = problems(entry(), entry(**changes))
    assert [i for i, _ in found] == [1]
    assert message in found[0][1]


def test_several_problems_of_one_entry_are_all_listed():
    found = check_entries([entry(score=-1, category_id=9), {'image_id': 1}], IMAGES, [1, 2])
    assert [v[:2] for v in found] == [(0, 1), (0, 1), (1, 1)]
    assert isinstance(found[0], Violation)
    assert 'no bbox, score, category_id, segmentation' in found[2].problem


def test_uncompressed_counts_are_read():
    plain = entry(segmentation={'size': [20, 30], 'counts': [106, 4, 16, 4, 470]}, bbox=[5, 6, 2, 4])
    assert problems(plain, entry()) == []


def test_extents_against_painted_masks(rng):
    rles, expected = [], []
    for _ in range(200):
        h, w = rng.integers(1, 12, 2)
        bitmap = np.asfortranarray(rng.random((h, w)) < rng.choice([0.02, 0.3, 1.1]), np.uint8)
        rles.append(coco_mask.encode(bitmap))
        ys, xs = np.nonzero(bitmap)
        expected.append([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1] if len(xs) else [0] * 4)
    boxes, found = mask_extents(rles)
    np.testing.assert_array_equal(boxes, expected)
    assert [p is None for p in found] == [any(e) for e in expected]


def test_boxes_as_corners_are_noticed():
    good = [entry(x, 6, x + 5, 10) for x in range(3, 20)]
    corners = [e | {'bbox': [e['bbox'][0], 6, e['bbox'][0] + 5, 10]} for e in good]
    assert not boxes_fit_xyxy(good)
    assert boxes_fit_xyxy(corners)
    assert not boxes_fit_xyxy(good + corners[:3])
    assert not boxes_fit_xyxy([])
    assert not boxes_fit_xyxy([entry(0, 0, 5, 5)])  # the same in both forms


@pytest.mark.parametrize('chunk', [3, 50, 4096])
def test_files_of_ours_are_indexed_by_their_lines(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(results, '_CHUNK', chunk)
    entries = [entry(image_id=i, score=i / 10) for i in (7, 1, 1, 7)]
    path = tmp_path / 'r.json'
    write_results(path, entries)
    ours = results._scan_ours(path)
    assert ours == ResultsFile._scan_foreign(path)
    assert ours[1] == [7, 1, 1, 7]
    text = path.read_bytes()
    for other in (json.dumps(entries).encode(), text[:-3], text[:-20], text + b'x', text.replace(b',\n', b' \n', 1)):
        path.write_bytes(other)
        assert results._scan_ours(path) is None


def test_a_line_of_ours_that_breaks_is_named_when_read(tmp_path):
    path = tmp_path / 'r.json'
    write_results(path, [entry(), entry(), entry(image_id=7)])
    path.write_text(path.read_text().replace('"bbox": [', '"bbox": {', 1))
    file = ResultsFile(path)
    assert file.read(7) == [entry(image_id=7)]
    with pytest.raises(ResultsError, match=r'r\.json: the entries from 0 to 1 are not JSON'):
        file.read(1)


def test_quick_and_thorough_checks_agree(rng):
    changes = [
        {},
        {'score': 1},
        {'score': 2.0},
        {'category_id': np.int64(2)},
        {'category_id': 2.0},
        {'bbox': (5, 6, 7.0, 4)},
        {'bbox': [5, 6, 7, True]},
        {'bbox': [5, 6, 0.0, 4]},
        {'segmentation': None},
        {'image_id': 1.0},
    ]
    for change in changes:
        quick = results_check._plainly_right(entry(**change), IMAGES, {1, 2})
        thorough, _ = results_check._field_problems(entry(**change), IMAGES, {1, 2})
        assert not (quick and thorough)
    assert results_check._plainly_right(entry(), IMAGES, {1, 2})
