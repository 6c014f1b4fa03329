"""Annotation files that are broken: the message has the file, the entry, what was found and what was expected."""

import json

import numpy as np
import pytest
from drawn_cells import annotations, disc, rectangle

from mmcellseg.evaluation.ground_truth import GroundTruth
from mmcellseg.evaluation.instances import EvaluationError

SHAPE = (30, 40)


@pytest.fixture
def data() -> dict:
    cells = [(1, 1, rectangle(SHAPE, 0, 0, 8, 8)), (1, 2, disc(SHAPE, 20, 15, 6)), (4, 1, disc(SHAPE, 9, 9, 5))]
    return annotations({1: SHAPE, 4: SHAPE}, cells)


def refused(data: dict, tmp_path, message: str) -> None:
    path = tmp_path / 'ann.json'
    path.write_text(json.dumps(data))
    with pytest.raises(EvaluationError, match=message) as error:
        GroundTruth(path)
    assert str(error.value).startswith(f'{path}: ')


@pytest.mark.parametrize(
    ('kind', 'entry', 'message'),
    [
        ('images', {'id': 4, 'width': 40}, r'images\[1\] \(id 4\) has height None, expected a whole number of px'),
        ('images', {'id': 4, 'height': '30', 'width': 40}, r"images\[1\] \(id 4\) has height '30', expected a whole"),
        ('images', {'id': 4, 'height': 30, 'width': 0}, r'images\[1\] \(id 4\) has width 0, expected .* above 0'),
        ('images', {'id': 4, 'height': 30.5, 'width': 40}, r'images\[1\] \(id 4\) has height 30\.5, expected a whole'),
        ('images', 7, r'images\[1\] is 7, expected an object with an id'),
        ('images', {'height': 30, 'width': 40}, r'images\[1\] has id None, expected an integer'),
        (
            'images',
            {'id': 1, 'height': 9, 'width': 9},
            r'images\[0\] and images\[1\] have the same id 1, expected each',
        ),
        ('categories', {'id': 2}, r'categories\[1\] \(id 2\) has name None, expected a string'),
        ('categories', {'id': 2, 'name': 5}, r'categories\[1\] \(id 2\) has name 5, expected a string'),
        ('categories', None, r'categories\[1\] is None, expected an object with an id'),
        ('categories', {'id': 1, 'name': 'b'}, r'categories\[0\] and categories\[1\] have the same id 1'),
        ('categories', {'id': 2, 'name': 'class1'}, r"categories\[0\] and categories\[1\] have the same name 'class1'"),
        ('annotations', 'cell', r"annotations\[1\]: expected an object with .*, found 'cell'"),
        ('annotations', None, r'annotations\[1\]: expected an object with .*, found None'),
    ],
)
def test_a_bad_entry_is_named(data: dict, kind: str, entry, message: str, tmp_path) -> None:
    data[kind][1] = entry
    refused(data, tmp_path, message)


@pytest.mark.parametrize(
    ('segmentation', 'message'),
    [
        (None, 'segmentation None, expected an RLE or a list of one polygon or more'),
        ([], r'segmentation \[\], expected an RLE or a list'),
        ('P`1', "segmentation 'P`1', expected an RLE or a list"),
        ([[0, 0, 8]], r'polygon 0 is \[0, 0, 8\], expected x and y of three points or more'),
        ([[0, 0, 8, 8]], r'polygon 0 is \[0, 0, 8, 8\], expected x and y'),  # pycocotools takes it for a box
        ([[0, 0, 8, 0, 8, 8], []], r'polygon 1 is \[\], expected x and y'),
        ([0, 0, 8, 0, 8, 8], 'polygon 0 is 0, expected x and y'),
        ([[0, 0, 8, 0, 8, '8']], r"polygon 0 is \[0, 0, 8, 0, 8, '8'\], expected x and y"),
        ({'counts': 'P`1'}, 'expected an RLE with size and compressed counts'),
        ({'size': 5, 'counts': 'P`1'}, r'RLE of size 5, expected \[30, 40\]'),
        ({'size': 5, 'counts': [0, 1200]}, r'RLE of size 5, expected \[30, 40\]'),
        ({'size': [30, 40], 'counts': [0, -1]}, r'RLE with counts \[0, -1\], expected whole numbers of px'),
        ({'size': [30, 40], 'counts': ['a']}, r"RLE with counts \['a'\], expected whole numbers"),
    ],
)
def test_a_bad_segmentation_is_named(data: dict, segmentation, message: str, tmp_path) -> None:
    data['annotations'][1]['segmentation'] = segmentation
    refused(data, tmp_path, rf'annotations\[1\] \(id 2\): {message}' if message[:6] != 'expect' else message)


def test_plain_counts_of_another_sum_are_named(data: dict, tmp_path) -> None:
    for counts in ([], [0, 7]):
        data['annotations'][1]['segmentation'] = {'size': [30, 40], 'counts': counts}
        refused(data, tmp_path, f'annotation 1: the RLE covers {sum(counts)} px, expected 1200')


def test_numbers_as_strings_and_lists_that_are_none(data: dict, tmp_path) -> None:
    data['annotations'][2]['area'] = '12'
    refused(data, tmp_path, r"annotations\[2\] \(id 3\): area '12', expected")
    refused(data | {'annotations': {}}, tmp_path, r'annotations is \{\}, expected a list')
    refused(data | {'images': 'abc'}, tmp_path, 'no list of images')
    (tmp_path / 'bytes.json').write_bytes(b'\xff\xfe{')
    with pytest.raises(EvaluationError, match=r'bytes\.json: cannot be read as JSON'):
        GroundTruth(tmp_path / 'bytes.json')


def test_integers_of_numpy_are_fine(data: dict) -> None:
    data['images'][0] |= {'id': np.int64(1), 'height': np.int32(30)}
    assert GroundTruth(data).images == {1: SHAPE, 4: SHAPE}
