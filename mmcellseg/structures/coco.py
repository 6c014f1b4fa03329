"""A COCO json: read, and every entry judged, so that what is wrong can be found."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from .json_file import numbers, read_json, short, whole
from .rle import rle_problem

Coco = dict[str, Any]

_LONGEST_SIDE = 10**6  # px; the px of an image then fit in 40 bits, and any sum of counts that is read in 64
_ID_KEYS = ('file_name', 'id', 'height', 'width')


class CocoError(ValueError):
    """A COCO json that cannot be used; the message names the file and the entry."""


def read_coco(path: str | os.PathLike, *, strays: bool = False, cells: bool = False) -> Coco:
    """Read a COCO annotation file; see :func:`check_coco`. Raises ``CocoError`` where there is none, too."""
    content = read_json(path, 'annotation file', CocoError)
    check_coco(content, str(path), strays=strays, cells=cells)
    return content


def check_coco(coco: Any, name: str, *, strays: bool = False, cells: bool = False) -> None:
    """Judge a COCO json's content: images with ids and sizes, categories with ids and names, annotations with ids.

    ``CocoError`` names the file and the first entry that is no object, lacks one of these, has something else in its
    place, or has the id of another (categories: also the name). With ``strays``, annotations of images and categories
    that the file does not list are in order. With ``cells``, also area, bbox and segmentation are looked at (an RLE,
    its counts not decoded, or polygons).
    """
    if not isinstance(coco, Mapping):
        found = f'a {type(coco).__name__}'
        raise CocoError(f'{name}: expected a COCO annotation file with images and categories, found {found}')
    _check_images(coco, name)
    sizes, ids = image_sizes(coco), [category['id'] for category in _listed(coco, 'categories', name)]
    for i, category in enumerate(coco['categories']):
        if not isinstance(found := category.get('name'), str):
            raise CocoError(f'{name}: categories[{i}] (id {ids[i]}) has name {short(found)}, expected a string')
    _refuse_twice([category['name'] for category in coco['categories']], 'categories', 'name', name)
    annotations = coco.get('annotations')
    if annotations is None:
        return
    if not isinstance(annotations, list | tuple):
        raise CocoError(f'{name}: annotations is {short(annotations)}, expected a list')
    for i, annotation in enumerate(annotations):
        if problem := _annotation_problem(annotation, sizes, ids, strays, cells):
            number = f' (id {short(annotation.get("id"))})' if isinstance(annotation, Mapping) else ''
            raise CocoError(f'{name}: annotations[{i}]{number}: {problem}')
    _refuse_twice([annotation['id'] for annotation in annotations], 'annotations', 'id', name)


def image_sizes(coco: Mapping) -> dict[int, tuple[int, int]]:
    """Image id → (height, width) in px of a json that was judged."""
    return {int(image['id']): (int(image['height']), int(image['width'])) for image in coco['images']}


def category_names(coco: Mapping) -> dict[int, str]:
    """Category id → name, in the order of a json that was judged."""
    return {int(category['id']): category['name'] for category in coco['categories']}


def read_listed(path: str | os.PathLike) -> tuple[list[dict[str, Any]], dict[int, str]]:
    """``[{"file_name", "id", "height", "width"}, …]`` in the file's order, or the ``images`` of a COCO json, and its
    categories, id → name. ``CocoError`` names the file and the first entry that is wrong."""
    content = read_json(path, 'file of image ids', CocoError)
    if isinstance(content, list):
        content = {'images': content}
    if not isinstance(content, dict) or 'images' not in content:
        raise CocoError(f'{path}: expected a list of {{{", ".join(_ID_KEYS)}}}, found {type(content).__name__}')
    content = {'categories': [], **content, 'annotations': None}
    check_coco(content, str(path))
    images = content['images']
    if not images:
        raise CocoError(f'{path}: its list of images is empty, expected one or more of {{{", ".join(_ID_KEYS)}}}')
    for i, image in enumerate(images):
        if 'file_name' not in image:
            raise CocoError(f'{path}: images[{i}] (id {image["id"]}) has no file_name')
    _refuse_twice([image['file_name'] for image in images], 'images', 'file_name', str(path))
    return [{key: image[key] for key in _ID_KEYS} for image in images], category_names(content)


def read_image_ids(path: str | os.PathLike) -> list[dict[str, Any]]:
    """The images of :func:`read_listed`."""
    return read_listed(path)[0]


def _listed(coco: Mapping, kind: str, name: str) -> Sequence[Mapping]:
    """The objects of a list with an integer id each, none of them twice."""
    entries = coco.get(kind)
    if not isinstance(entries, list | tuple):
        raise CocoError(
            f'{name}: no list of {kind}; expected a COCO annotation file, as cells2coco.py writes it (predictions and '
            'the list of image ids are something else)'
        )
    for i, entry in enumerate(entries):
        if not isinstance(entry, Mapping):
            raise CocoError(f'{name}: {kind}[{i}] is {short(entry)}, expected an object with an id')
        if not whole(entry.get('id')):
            raise CocoError(f'{name}: {kind}[{i}] has id {short(entry.get("id"))}, expected an integer below 2⁶³')
    _refuse_twice([entry['id'] for entry in entries], kind, 'id', name)
    return entries


def _refuse_twice(values: Sequence, kind: str, field: str, name: str) -> None:
    if len(set(values)) < len(values):
        twice = Counter(values).most_common(1)[0][0]
        places = [f'{kind}[{i}]' for i, value in enumerate(values) if value == twice]
        raise CocoError(f'{name}: {places[0]} and {places[1]} have the same {field} {short(twice)}, expected each once')


def _check_images(coco: Mapping, name: str) -> None:
    for i, image in enumerate(_listed(coco, 'images', name)):
        for side in ('height', 'width'):
            if not whole(image.get(side)) or not 1 <= image[side] <= _LONGEST_SIDE:
                raise CocoError(
                    f'{name}: images[{i}] (id {image["id"]}) has {side} {short(image.get(side))}, expected a whole '
                    f'number of px above 0 (and at most {_LONGEST_SIDE})'
                )
        if not isinstance(file_name := image.get('file_name', ''), str):
            raise CocoError(f'{name}: images[{i}] (id {image["id"]}) has file_name {short(file_name)}, expected a text')


def _annotation_problem(
    annotation: Any, sizes: Mapping[int, tuple[int, int]], category_ids: Sequence[int], strays: bool, cells: bool
) -> str | None:
    if not isinstance(annotation, Mapping):
        return f'expected an object with image_id, category_id and bbox, found {short(annotation)}'
    number, image_id, category = annotation.get('id'), annotation.get('image_id'), annotation.get('category_id')
    if not (whole(number) and whole(image_id) and whole(category)):
        found = {'id': number, 'image_id': image_id, 'category_id': category}
        return f'expected integers below 2⁶³, found {short(found)}'
    size = sizes.get(image_id)
    if size is None and not strays:
        return f'image_id {image_id} is not among the {len(sizes)} images'
    if category not in category_ids and not strays:
        return f'category_id {category} is not among {sorted(category_ids)}'
    if not cells:
        return None
    area, crowd = annotation.get('area'), annotation.get('iscrowd', 0)
    bbox: Any = annotation.get('bbox')
    if not numbers([area], 1):
        return f'area {short(area)}, expected the pixels of its mask (convert the data again)'
    if not numbers(bbox, 4):
        return f'bbox {short(bbox)}, expected x, y, width and height'
    if (bbox[2] <= 0 or bbox[3] <= 0) and not strays:
        return f'bbox {list(bbox)} has width {bbox[2]} and height {bbox[3]}, expected both above 0'
    if crowd not in (0, 1):
        return f'iscrowd {short(crowd)}, expected 0 or 1'
    return _segmentation_problem(annotation['segmentation'], size) if size and 'segmentation' in annotation else None


def _segmentation_problem(segmentation: Any, size: tuple[int, int]) -> str | None:
    """What keeps this from being an RLE of that size, its counts compressed or plain, or a list of polygons."""
    if isinstance(segmentation, Mapping):
        return rle_problem(segmentation, size)
    if not isinstance(segmentation, list) or not segmentation:
        return f'segmentation {short(segmentation)}, expected an RLE or a list of one polygon or more'
    for k, polygon in enumerate(segmentation):
        sound = isinstance(polygon, list) and len(polygon) >= 6 and len(polygon) % 2 == 0
        if not sound or not numbers(polygon, len(polygon)):
            return f'polygon {k} is {short(polygon)}, expected x and y of three points or more'
        if any(not -max(size) <= value <= 2 * max(size) for value in polygon):
            return f'polygon {k} is {short(polygon)}, far outside its image of (h, w) {list(size)} px'
    return None
