"""COCO files that are broken: the message has the file, the entry, what was found and what was expected."""

import json

import pytest
from drawn_cells import annotations, disc, rectangle

from mmcellseg.evaluation.ground_truth import GroundTruth
from mmcellseg.structures.coco import CocoError, read_coco, read_listed

SHAPE = (30, 40)


@pytest.fixture
def data() -> dict:
    cells = [(1, 1, rectangle(SHAPE, 0, 0, 8, 8)), (1, 2, disc(SHAPE, 20, 15, 6)), (4, 1, disc(SHAPE, 9, 9, 5))]
    return annotations({1: SHAPE, 4: SHAPE}, cells)


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'ann.json'


def read(content, path, **options):
    path.write_text(json.dumps(content))
    return read_coco(path, **options)


def refused(content, path, message: str) -> None:
    with pytest.raises(CocoError, match=message) as error:
        read(content, path, cells=True)
    assert str(error.value).startswith(f'{path}: ')


@pytest.mark.parametrize(
    ('kind', 'entry', 'message'),
    [
        ('images', {'id': 4, 'width': 40}, r'images\[1\] \(id 4\) has height None, expected a whole number of px'),
        ('images', {'id': 4, 'height': 30, 'width': 0}, r'images\[1\] \(id 4\) has width 0, expected .* above 0'),
        ('images', 7, r'images\[1\] is 7, expected an object with an id'),
        ('images', {'id': 2**63}, r'images\[1\] has id 9223372036854775808, expected an integer below 2⁶³'),
        ('images', {'id': 1, 'height': 9, 'width': 9}, r'images\[0\] and images\[1\] have the same id 1, expected'),
        ('categories', {'id': 2}, r'categories\[1\] \(id 2\) has name None, expected a string'),
        ('categories', {'id': 2, 'name': 'class1'}, r"categories\[0\] and categories\[1\] have the same name 'class1'"),
        ('annotations', None, r'annotations\[1\]: expected an object with .*, found None'),
    ],
)
def test_a_bad_entry_is_named(data: dict, kind: str, entry, message: str, path) -> None:
    data[kind][1] = entry
    refused(data, path, message)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'id': 10**30}, r"\(id 1000.*\): expected integers below 2⁶³, found .*'id': 1000"),
        ({'image_id': 9}, 'image_id 9 is not among the 2 images'),
        ({'category_id': 9}, r'category_id 9 is not among \[1, 2\]'),
        ({'area': 10**400}, 'area 1000.*, expected the pixels of its mask'),
        ({'area': '12'}, "area '12', expected"),
        ({'bbox': [1, 2, 3]}, r'bbox \[1, 2, 3\], expected x, y, width and height'),
        ({'bbox': [1, 2, 0, 4]}, 'bbox .* has width 0 and height 4, expected both above 0'),
        ({'iscrowd': '0'}, "iscrowd '0', expected 0 or 1"),
        ({'segmentation': None}, 'segmentation None, expected an RLE or a list of one polygon or more'),
        ({'segmentation': [[0, 0, 8, 8]]}, r'polygon 0 is \[0, 0, 8, 8\], expected'),  # pycocotools: a box
        ({'segmentation': [[0, 0, 8, 0, 8, 8], []]}, r'polygon 1 is \[\], expected x and y'),
        ({'segmentation': [[0, 0, 8, 0, 8, '8']]}, r"polygon 0 is \[0, 0, 8, 0, 8, '8'\], expected x and y"),
        ({'segmentation': [[0, 0, 8, 0, 8, 10**9]]}, 'polygon 0 is .*, far outside its image'),
        ({'segmentation': {'counts': 'P`1'}}, 'segmentation .*, expected an RLE with size and counts'),
        ({'segmentation': {'size': [40, 30], 'counts': [0, 1200]}}, r'RLE size \[40, 30\], expected \[30, 40\] of the'),
    ],
)
def test_a_bad_annotation_is_named(data: dict, change: dict, message: str, path) -> None:
    data['annotations'][1] |= change
    refused(data, path, rf'annotations\[1\] {message}' if 'id' in change else rf'annotations\[1\] \(id 2\): {message}')


def test_an_annotation_listed_twice_and_lists_that_are_none(data: dict, path) -> None:
    twice = {**data, 'annotations': [*data['annotations'], data['annotations'][0]]}
    refused(twice, path, r'annotations\[0\] and annotations\[3\] have the same id 1, expected each once')
    refused(data | {'annotations': {}}, path, r'annotations is \{\}, expected a list')
    refused(data | {'images': 'abc'}, path, 'no list of images')


def test_strays_may_be_in_order(data: dict, path) -> None:
    data['annotations'][0] |= {'image_id': 9, 'segmentation': None}
    data['annotations'][1] |= {'category_id': 9, 'bbox': [0, 0, -1, 0]}
    assert read(data, path, strays=True, cells=True) == data
    data['annotations'][1] |= {'area': None}
    with pytest.raises(CocoError, match=r'annotations\[1\] \(id 2\): area None'):
        read(data, path, strays=True, cells=True)
    assert read(data, path, strays=True) == data


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'{"images": [', 'truncated or not valid JSON'),
        (b'\xff{}', 'truncated or not valid JSON .*utf-8'),
        (b'\xef\xbb\xbf{}', 'the text is UTF-8 with a byte order mark, expected UTF-8 without'),
        ('{}'.encode('utf-16'), 'the text is UTF-16, expected UTF-8 without'),
        (b'[' * 10**5, 'its lists or objects are nested too deeply'),
        (b'[]', 'expected a COCO annotation file .*, found a list'),
        (b'{"annotations": []}', 'no list of images; expected a COCO annotation file'),
    ],
)
def test_what_is_no_coco_json_is_named(content: bytes, message: str, path) -> None:
    with pytest.raises(CocoError, match=r'ann\.json: there is no such annotation file'):
        read_coco(path)
    path.write_bytes(content)
    with pytest.raises(CocoError, match=rf'ann\.json: {message}'):
        read_coco(path)


IDS = [
    {'file_name': 'a.tif', 'id': 1, 'height': 3, 'width': 4},
    {'file_name': 'b.tif', 'id': 7, 'height': 5, 'width': 6},
]


def test_image_ids_come_from_a_list_or_a_coco_json(path) -> None:
    for content, categories in ((IDS, {}), ({'images': IDS, 'categories': [{'id': 9, 'name': 'ninth'}]}, {9: 'ninth'})):
        path.write_text(json.dumps(content))
        assert read_listed(path) == (IDS, categories)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ([], 'its list of images is empty, expected one or more'),
        (3, 'expected a list of {file_name, id, height, width}, found int'),
        ({}, 'expected a list of {file_name, id, height, width}, found dict'),
        ([{**IDS[0], 'height': 10**30}], r'images\[0\] \(id 1\) has height 1000.*, expected a whole number of px'),
        ([{'id': 1, 'height': 3, 'width': 4}], r'images\[0\] \(id 1\) has no file_name'),
        ([{**IDS[0], 'file_name': [1]}], r'images\[0\] \(id 1\) has file_name \[1\], expected a text'),
        ([*IDS, {**IDS[0], 'id': 2}], r"images\[0\] and images\[2\] have the same file_name 'a.tif'"),
    ],
)
def test_image_ids_that_are_none_are_named(content, message: str, path) -> None:
    path.write_text(json.dumps(content))
    with pytest.raises(CocoError, match=rf'ann\.json: {message}'):
        read_listed(path)


@pytest.mark.parametrize(
    ('counts', 'message'),
    [([0, 7], 'it covers 7 px, expected 30 × 40 = 1200'), ('€', "character '€' is not of the COCO code")],
)
def test_masks_that_do_not_decode_are_named(data: dict, counts, message: str) -> None:
    data['annotations'][2]['segmentation'] = {'size': [30, 40], 'counts': counts}
    with pytest.raises(CocoError, match=rf'the annotations: annotations\[2\] \(id 3\): {message}'):
        GroundTruth(data, ['class1'])
