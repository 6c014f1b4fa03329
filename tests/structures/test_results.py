"""The predictions file: written, read as a whole and image by image."""

import json

import numpy as np
import pytest
from drawn_cells import SIZE, entry
from pycocotools import mask as coco_mask

from mmcellseg.structures import results
from mmcellseg.structures.results import ResultsError, ResultsFile, read_results, write_results


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'r.json'


def test_write_and_read_keep_every_digit(tmp_path):
    entries = [entry(), entry(image_id=7, score=1 / 3), entry(1, 1, 3, 3)]
    path = tmp_path / 'a' / 'r.json'
    assert write_results(path, iter(entries)) == 3
    assert read_results(path) == entries
    lines = path.read_text().splitlines()
    assert (lines[0], lines[-1]) == ('[', ']')
    assert [json.loads(line.rstrip(',')) for line in lines[1:-1]] == entries
    file = ResultsFile(path)
    assert (len(file), file.image_ids, file.indices(1).tolist()) == (3, [1, 7], [0, 2])
    assert [file.read(i) for i in (1, 7, 3)] == [[entries[0], entries[2]], [entries[1]], []]


def test_numpy_numbers_bytes_and_plain_counts_are_written_as_text(path):
    bitmap = np.zeros(SIZE, np.uint8, order='F')
    bitmap[6:10, 5:7] = 1
    code = coco_mask.encode(bitmap)['counts']
    given = entry(image_id=np.int64(1), score=np.float64(0.25), bbox=np.arange(1, 5, dtype=np.float32))
    counts = (code, code.decode(), [106, 4, 16, 4, 470])
    write_results(path, [given | {'segmentation': {'size': np.array(SIZE), 'counts': c}} for c in counts])
    for found in read_results(path):
        assert found['bbox'] == [1.0, 2.0, 3.0, 4.0]
        assert found['segmentation'] == {'size': [20, 30], 'counts': code.decode()}


def test_nan_is_refused_and_the_earlier_file_stays(path):
    write_results(path, [entry()])
    with pytest.raises(ResultsError, match=r'r\.json: entry 1 cannot be written'):
        write_results(path, [entry(), entry(score=float('nan'))])
    assert read_results(path) == [entry()]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize('indent', [None, 0, 3])
def test_foreign_files_in_any_layout(path, indent):
    entries = [entry(image_id=i, note=text) for i, text in [(7, 'a]["\\{'), (1, 'é'), (7, '},'), (7, '')]]
    path.write_bytes(b' \n' + json.dumps(entries, indent=indent, ensure_ascii=False).encode() + b'\n ')
    file = ResultsFile(path)
    assert file.image_ids == [1, 7]
    assert [file.read(7), file.read(1)] == [[entries[0], entries[2], entries[3]], [entries[1]]]


def test_files_of_ours_are_indexed_by_their_lines(path):
    entries = [entry(image_id=i, score=i / 10) for i in (7, 1, 1, 7)]
    write_results(path, entries)
    assert [image_id for *_, image_id in results._scan_ours(path)] == [7, 1, 1, 7]
    text = path.read_bytes()
    for other in (json.dumps(entries).encode(), text[:-3], text[:-20], text + b'x', text.replace(b',\n', b' \n', 1)):
        path.write_bytes(other)
        assert results._scan_ours(path) is None


UNREADABLE = {  # and what is said
    '': 'truncated or not valid',
    '{"annotations": []}': 'expected a JSON list',
    '[{"image_id": 1}, {"image_': 'truncated .* column 20',
    '[{"image_id": 1}] []': 'not valid JSON',
    '[{"image_id": 1}, 5]': 'entry 1 is 5, expected a prediction',
    '[{"image_id": 1, "a": ' + '[' * 10**5: 'nested too deeply',
    '[{"image_id": 1' + '0' * 5000: 'truncated or not valid',
}


@pytest.mark.parametrize('text', UNREADABLE)
def test_broken_files_name_themselves(path, text):
    path.write_text(text)
    for read in (ResultsFile, read_results):
        with pytest.raises(ResultsError, match=rf'r\.json: .*{UNREADABLE[text]}'):
            read(path)
    path.write_text('[{"image_id": "a"}]')
    with pytest.raises(ResultsError, match=r'r\.json: entry 0 has no integer image_id'):
        ResultsFile(path)


@pytest.mark.parametrize('read', [ResultsFile, read_results])
def test_no_file_and_other_encodings(path, read):
    with pytest.raises(ResultsError, match=r'r\.json: there is no such predictions file'):
        read(path)
    for coding in ('utf-8-sig', 'utf-16', 'utf-16-le', 'utf-32'):
        path.write_bytes(json.dumps([entry()]).encode(coding))
        with pytest.raises(ResultsError, match=r'r\.json: the text is UTF-.*, expected UTF-8 without a byte order'):
            read(path)


def test_a_line_of_ours_that_breaks_is_named_when_read(path):
    write_results(path, [entry(), entry(), entry(image_id=7)])
    path.write_text(path.read_text().replace('"bbox": [', '"bbox": {', 1))
    assert ResultsFile(path).read(7) == [entry(image_id=7)]
    with pytest.raises(ResultsError, match=r'r\.json: the entries from 0 to 1: .*not valid JSON'):
        ResultsFile(path).read(1)


def test_two_entries_in_a_line_of_ours_are_not_mixed_up(path):
    write_results(path, [entry(), entry(image_id=7), entry()])
    path.write_text(path.read_text().replace(',\n{"image_id": 7', ', {"image_id": 7'))
    with pytest.raises(ResultsError, match=r'r\.json: the entries from 0 to 1 are 3: expected an entry a line'):
        ResultsFile(path).read(1)
