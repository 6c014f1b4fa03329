"""The predictions file: written, read as a whole and image by image."""

import json

import numpy as np
import pytest
from made_entries import SIZE, entry
from pycocotools import mask as coco_mask

from mmcellseg.structures import results
from mmcellseg.structures.results import ResultsError, ResultsFile, read_results, write_results


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


@pytest.mark.parametrize('indent', [None, 0, 3])
def test_foreign_files_in_any_layout(tmp_path, indent):
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


def test_files_of_ours_are_indexed_by_their_lines(tmp_path):
    entries = [entry(image_id=i, score=i / 10) for i in (7, 1, 1, 7)]
    path = tmp_path / 'r.json'
    write_results(path, entries)
    ours = results._scan_ours(path)
    assert ours == results._scan_foreign(path)
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
    with pytest.raises(ResultsError, match=r'r\.json: the entries from 0 to 1: .*not valid JSON'):
        file.read(1)


@pytest.mark.parametrize('coding', ['utf-8-sig', 'utf-16', 'utf-16-le', 'utf-32'])
def test_only_plain_utf8_is_read_as_pycocotools_reads_nothing_else(tmp_path, coding):
    path = tmp_path / 'r.json'
    path.write_bytes(json.dumps([entry()]).encode(coding))
    for read in (ResultsFile, read_results):
        with pytest.raises(
            ResultsError, match=r'r\.json: the text is UTF-.*, expected UTF-8 without a byte order mark'
        ):
            read(path)


@pytest.mark.parametrize('text', ['[' * 10**5, '[{"image_id": 1, "a": ' + '[' * 10**5, '[{"image_id": 1' + '0' * 5000])
def test_what_python_cannot_hold_is_named(tmp_path, text):
    path = tmp_path / 'r.json'
    path.write_text(text)
    for read in (ResultsFile, read_results):
        with pytest.raises(ResultsError, match=r'r\.json: .*(nested too deeply|too long a number|truncated)'):
            read(path)


def test_two_entries_in_a_line_of_ours_are_not_mixed_up(tmp_path):
    path = tmp_path / 'r.json'
    write_results(path, [entry(), entry(image_id=7), entry()])
    path.write_text(path.read_text().replace(',\n{"image_id": 7', ', {"image_id": 7'))
    with pytest.raises(ResultsError, match=r'r\.json: the entries from 0 to 1 are 3: expected an entry a line'):
        ResultsFile(path).read(1)
