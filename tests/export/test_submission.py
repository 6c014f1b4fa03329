"""The submission: what is refused, what is written, and that a refused file costs nothing."""

import json
import runpy
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as mask_utils

from mmcellseg.export.submission import SubmissionError, validate_submission, write_submission
from mmcellseg.structures.coco import CocoError
from mmcellseg.structures.results import ResultsError

REPO = Path(__file__).resolve().parents[2]
H, W = 40, 50
IDS = [
    {'file_name': 'a.tif', 'id': 1, 'height': H, 'width': W},
    {'file_name': 'b.tif', 'id': 7, 'height': 20, 'width': 30},
]


def entry(box=(10, 20, 5, 6), image_id=1, size=(H, W), score=0.5, category_id=1, bbox=None):
    mask = np.zeros(size, np.uint8, order='F')
    x, y, w, h = box
    mask[y : y + h, x : x + w] = 1
    rle = mask_utils.encode(mask)
    return {
        'image_id': image_id,
        'bbox': list(bbox or box),
        'score': score,
        'category_id': category_id,
        'segmentation': {'size': list(size), 'counts': rle['counts'].decode()},
    }


EMPTY = entry(box=(10, 20, 0, 0), bbox=(10, 20, 5, 6))


@pytest.fixture
def files(tmp_path):
    """Writes a predictions file; returns its path, the id file's and that of the zip to be."""
    ids = tmp_path / 'ids.json'
    ids.write_text(json.dumps(IDS))

    def _files(entries):
        results = tmp_path / 'results.json'
        results.write_text(entries if isinstance(entries, str) else json.dumps(entries))
        return results, ids, tmp_path / 'out' / 'submission.zip'

    return _files


GOOD = [entry(), entry(box=(2, 3, 4, 5), image_id=7, size=(20, 30), score=1, category_id=4)]


def test_a_good_file_is_zipped_alone_and_unchanged(files):
    results, ids, out = files(GOOD)
    assert validate_submission(results, ids) == []
    written = write_submission(results, ids, out)
    with zipfile.ZipFile(out) as archive:
        assert archive.namelist() == ['test-results.json']
        assert archive.read('test-results.json') == results.read_bytes()
    assert written == (out, out.stat().st_size, results.stat().st_size, 2, 2, 2, 0)
    assert '2 predictions on 2 of 2 images' in str(written)
    assert validate_submission(out, ids) == []
    first = out.read_bytes()
    write_submission(results, ids, out)
    assert out.read_bytes() == first


def changed(**fields):
    return {**entry(), **fields}


BAD = {
    'unknown image': (changed(image_id=3), 'image id 3'),
    'size of another image': (entry(image_id=7), r'RLE size \[40, 50\], expected \[20, 30\]'),
    'too few runs': (changed(segmentation={'size': [H, W], 'counts': '52'}), 'covers|decode'),
    'no RLE code': (changed(segmentation={'size': [H, W], 'counts': 'zz~'}), 'decode'),
    'plain runs': (changed(segmentation={'size': [H, W], 'counts': [420, *[6, 34] * 4, 6, 1414]}), 'a list'),
    'empty mask': (EMPTY, 'empty'),
    'category': (changed(category_id=5), 'unknown category 5'),
    'score above 1': (changed(score=1.01), 'score 1.01'),
    'score NaN': (changed(score=float('nan')), 'score nan'),
    'score infinite': (changed(score=float('inf')), 'score inf'),
    'negative score': (changed(score=-0.1), 'score -0.1'),
    'no width': (changed(bbox=[10, 20, 0, 6]), 'width 0'),
    'negative height': (changed(bbox=[10, 20, 5, -6]), 'height -6'),
    'mask outside box': (changed(bbox=[11.5, 20, 5, 6]), 'out of bbox'),
    'box wider than the image': (changed(bbox=[0, 0, W + 2, H]), 'larger than the image'),
    'an entry twice': (entry(), 'the same as an earlier entry'),
    'a character that is not of the code': (
        changed(segmentation={'size': [H, W], 'counts': entry()['segmentation']['counts'] + '€'}),
        "character '€'",
    ),
    'endless size': (changed(segmentation={'size': [float('inf'), 1], 'counts': '0'}), 'RLE size'),
    'no score': ({k: v for k, v in entry().items() if k != 'score'}, 'no score'),
}


@pytest.mark.parametrize('case', BAD)
def test_each_fault_is_named_with_its_index_and_an_earlier_zip_stays(files, case):
    bad, words = BAD[case]
    results, ids, out = files([entry(), bad, entry(score=0.25)])
    out.parent.mkdir()
    out.write_bytes(b'earlier')
    violations = validate_submission(results, ids)
    assert [v.index for v in violations] == [1]
    with pytest.raises(SubmissionError, match=words) as caught:
        write_submission(results, ids, out, drop_empty=False)
    assert caught.value.violations == violations
    assert str(violations[0]).startswith('entry 1 (image ')
    assert out.read_bytes() == b'earlier'
    assert list(out.parent.iterdir()) == [out]


def test_a_box_that_the_mask_leaves_by_one_px_is_fine(files):
    results, ids, _ = files([changed(bbox=[11, 21, 3, 4])])
    assert validate_submission(results, ids) == []


def test_empty_masks_are_dropped_and_counted_and_indices_stay_those_of_the_file(files):
    results, ids, out = files([EMPTY, entry(), EMPTY, entry(score=0.25)])
    written = write_submission(results, ids, out)
    assert (written.entries, written.dropped_empty) == (2, 2)
    with zipfile.ZipFile(out) as archive:
        assert [e['score'] for e in json.loads(archive.read('test-results.json'))] == [0.5, 0.25]
    results, ids, out = files([EMPTY, changed(score=2)])
    with pytest.raises(SubmissionError, match='1 violations, no zip was written\nentry 1'):
        write_submission(results, ids, out)


def test_an_empty_mask_is_dropped_whatever_its_box_and_a_malformed_one_never(files):
    collapsed = {**EMPTY, 'bbox': [10, 20, 0, 0]}
    results, ids, out = files([entry(), EMPTY, collapsed])
    assert write_submission(results, ids, out).dropped_empty == 2
    broken = [changed(segmentation={'size': [H, W], 'counts': counts}) for counts in ('zz~', '52')]
    results, ids, out = files([EMPTY, *broken])
    with pytest.raises(SubmissionError) as caught:
        write_submission(results, ids, out)
    assert [v.index for v in caught.value.violations] == [1, 2]


@pytest.mark.parametrize(
    ('entries', 'index', 'words'),
    [
        ([], -1, 'the file: there is not one prediction with a mask'),
        ([EMPTY], -1, 'the file: there is not one prediction with a mask'),
        ([changed(caption='a cell')], -1, 'the file: its first entry has a caption'),
        (
            [changed(bbox=[10, 20, 15, 26]), entry(box=(3, 4, 5, 6), bbox=(3, 4, 8, 10))],
            -1,
            'the file: the boxes fit the masks better as x0, y0, x1, y1',
        ),
    ],
)
def test_a_file_that_pycocotools_would_misread_is_refused_as_a_whole(files, entries, index, words):
    results, ids, out = files(entries)
    with pytest.raises(SubmissionError, match=words) as caught:
        write_submission(results, ids, out)
    assert [violation.index for violation in caught.value.violations] == [index]


@pytest.mark.parametrize('text', ['', '{}', '[1, 2', json.dumps(GOOD)[:-20]])
def test_no_list_or_a_truncated_one_is_an_error_that_names_the_file(files, tmp_path, text):
    results, ids, out = files(text)
    with zipfile.ZipFile(tmp_path / 'a.zip', 'w') as archive:
        archive.writestr('test-results.json', text)
    for path in (results, tmp_path / 'a.zip'):
        with pytest.raises(ResultsError, match=rf'^[^\n]*{path.name}: '):
            write_submission(path, ids, out)
    assert not out.exists()


@pytest.mark.parametrize('coding', ['utf-8-sig', 'utf-16', 'utf-32'])
def test_a_text_that_pycocotools_does_not_read_is_an_error(files, coding):
    results, ids, _ = files(GOOD)
    results.write_bytes(results.read_bytes().decode().encode(coding))
    with pytest.raises(ResultsError, match=r'results\.json: the text is UTF-'):
        validate_submission(results, ids)


@pytest.mark.parametrize('names', [[], ['results.json'], ['a/test-results.json'], ['test-results.json', 'x']])
def test_a_zip_with_anything_else_in_it_is_refused(files, tmp_path, names):
    results, ids, _ = files(GOOD)
    with zipfile.ZipFile(tmp_path / 'bad.zip', 'w') as archive:
        for name in names:
            archive.writestr(name, results.read_bytes())
    with pytest.raises(ResultsError, match=r'bad\.zip: the zip holds .*, expected exactly one file'):
        validate_submission(tmp_path / 'bad.zip', ids)


def flip(data):
    """Other bytes where the packed predictions are."""
    data[75:110] = bytes(255 - byte for byte in data[75:110])


def set_flag(data):
    """The mark of an encrypted file, in its own header and in the zip's list of files."""
    for at in (6, data.index(b'PK\1\2') + 8):
        data[at] |= 1


@pytest.mark.parametrize('method', [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_of_either_method_is_read_and_damage_is_named(files, tmp_path, method):
    results, ids, _ = files(GOOD)
    path = tmp_path / 'a.zip'
    with zipfile.ZipFile(path, 'w', method) as archive:
        archive.write(results, 'test-results.json')
    assert validate_submission(path, ids) == []
    for damage in (flip, set_flag):
        data = bytearray(path.read_bytes())
        damage(data)
        path.write_bytes(data)
        with pytest.raises(ResultsError, match=r'a\.zip: the zip is damaged or encrypted'):
            validate_submission(path, ids)


@pytest.mark.parametrize('method', [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 77])
def test_other_methods_are_refused_as_they_unpack_all_at_once(files, tmp_path, method):
    results, ids, _ = files(GOOD)
    path = tmp_path / 'a.zip'
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED if method == 77 else method) as archive:
        archive.write(results, 'test-results.json')
    data = bytearray(path.read_bytes())
    for at in (8, data.index(b'PK\1\2') + 10):
        data[at] = method
    path.write_bytes(data)
    with pytest.raises(ResultsError, match=rf'a\.zip: the zip is packed by method {method}, expected deflate'):
        validate_submission(path, ids)


@pytest.mark.parametrize('declared', [True, False])
def test_a_zip_of_far_more_than_predictions_is_not_unpacked(files, tmp_path, monkeypatch, declared):
    _, ids, _ = files(GOOD)
    path = tmp_path / 'bomb.zip'
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('test-results.json', b'[' + b' ' * 5_000_000 + b']')
    if not declared:
        data = bytearray(path.read_bytes())
        at = data.index(b'PK\1\2') + 24
        data[at : at + 4] = (100).to_bytes(4, 'little')
        path.write_bytes(data)
    with pytest.raises(ResultsError, match=r'bomb\.zip: .*(at most 1000000: .* was not unpacked|is damaged)'):
        validate_submission(path, ids)


def test_a_broken_id_file_names_itself(files, tmp_path):
    results, ids, out = files(GOOD)
    ids.write_text(json.dumps({'images': IDS, 'annotations': [], 'categories': []}))
    assert validate_submission(results, ids) == []
    ids.write_text('[]')
    with pytest.raises(CocoError, match=r'ids\.json: its list of images is empty, expected one or more'):
        write_submission(results, ids, out)
    with pytest.raises(CocoError, match=r'none\.json: there is no such file of image ids'):
        validate_submission(results, tmp_path / 'none.json')


@pytest.fixture
def run_tool(monkeypatch):
    """Runs the tool in this process (the imports take seconds) and returns its exit status."""

    def _run(*arguments):
        tool = REPO / 'tools' / 'submit.py'
        monkeypatch.setattr(sys, 'argv', [str(tool), *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            runpy.run_path(str(tool), run_name='__main__')
        return caught.value.code

    return _run


def test_the_tool_lists_all_violations_and_exits_with_1(files, run_tool, capsys):
    results, ids, out = files([entry(), EMPTY, changed(score=2, category_id=9)])
    for arguments in ([], ['--out', out]):
        assert run_tool(results, '--ids', ids, *arguments) == 1
        listed = capsys.readouterr().err
        assert 'entry 1 (image 1): the mask is empty' in listed
        assert listed.count('entry 2 (image 1)') == 2
    assert not out.exists()
    assert '--drop-empty leaves out' in listed
    assert '--categories names' in listed


def test_the_tool_takes_the_categories_of_a_coco_json(files, run_tool, tmp_path):
    images = tmp_path / 'test.json'
    images.write_text(json.dumps({'images': IDS, 'categories': [{'id': 9, 'name': 'ninth'}]}))
    for category, more, status in [(9, [], 0), (4, [], 1), (4, ['--categories', '4'], 0)]:
        assert run_tool(files([entry(category_id=category)])[0], '--ids', images, *more) == status


def test_the_tool_writes_the_zip_and_tells_its_size_or_names_a_missing_file(files, run_tool, capsys):
    results, ids, out = files([entry(), EMPTY])
    assert run_tool(results, '--ids', ids, '--out', out, '--drop-empty') == 0
    assert '1 predictions on 1 of 2 images, 1 with an empty mask left out' in capsys.readouterr().out
    assert run_tool(out, '--ids', ids) == 0
    assert run_tool('nowhere.json', '--ids', ids, '--out', out) == 1
    assert 'nowhere.json' in capsys.readouterr().err
