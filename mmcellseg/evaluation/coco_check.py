"""What is wrong with an entry of a COCO annotation file, said so that the entry can be found."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from .instances import EvaluationError, numbers, rle_problem, short, whole


def _listed(data: Mapping, kind: str, name: str) -> Sequence[Mapping]:
    """The objects of a list with an integer id each, none of them twice."""
    entries = data.get(kind)
    if not isinstance(entries, list | tuple):
        raise EvaluationError(f'{name}: no list of {kind}; expected a COCO annotation file')
    for i, entry in enumerate(entries):
        if not isinstance(entry, Mapping):
            raise EvaluationError(f'{name}: {kind}[{i}] is {short(entry)}, expected an object with an id')
        if not whole(entry.get('id')):
            raise EvaluationError(f'{name}: {kind}[{i}] has id {entry.get("id")!r}, expected an integer')
    _refuse_twice([entry['id'] for entry in entries], kind, 'id', name)
    return entries


def _refuse_twice(values: Sequence, kind: str, field: str, name: str) -> None:
    twice = [value for value, number in Counter(values).items() if number > 1]
    if twice:
        places = [f'{kind}[{i}]' for i, value in enumerate(values) if value == twice[0]]
        raise EvaluationError(
            f'{name}: {places[0]} and {places[1]} have the same {field} {twice[0]!r}, expected each once'
        )


def image_sizes(data: Mapping, name: str) -> dict[int, tuple[int, int]]:
    """Image id → (height, width) in px of a COCO json's content.

    Raises:
        EvaluationError: names ``name`` and the first image that is no object, has no integer id or that of another
            one, or has no whole height or width above 0.
    """
    entries = _listed(data, 'images', name)
    for i, image in enumerate(entries):
        for side in ('height', 'width'):
            if not whole(image.get(side)) or image[side] < 1:
                found = short(image.get(side))
                raise EvaluationError(
                    f'{name}: images[{i}] (id {image["id"]}) has {side} {found}, expected a whole number of px above 0'
                )
    return {int(image['id']): (int(image['height']), int(image['width'])) for image in entries}


def category_ids(data: Mapping, name: str) -> list[int]:
    """The ids of a COCO json's categories, in the order of the file; bad ones as :func:`image_sizes`."""
    return [int(category['id']) for category in _listed(data, 'categories', name)]


def category_names(data: Mapping, name: str) -> dict[int, str]:
    """Category id → name; also refused are a category without a name and one that has another's."""
    ids = category_ids(data, name)
    names = [category.get('name') for category in data['categories']]
    for i, found in enumerate(names):
        if not isinstance(found, str):
            raise EvaluationError(f'{name}: categories[{i}] (id {ids[i]}) has name {short(found)}, expected a string')
    _refuse_twice(names, 'categories', 'name', name)
    return dict(zip(ids, names))


def segmentation_problem(segmentation: Any, size: tuple[int, int]) -> str | None:
    """What keeps this from being an RLE of that size, its counts compressed or plain, or a list of polygons."""
    if isinstance(segmentation, Mapping):
        counts = segmentation.get('counts')
        if not isinstance(counts, list):
            return rle_problem(segmentation, size)
        if not all(whole(n) and 0 <= n <= size[0] * size[1] for n in counts):
            return f'RLE with counts {short(counts)}, expected whole numbers of px, each within the image'
        return rle_problem({**segmentation, 'counts': ''}, size)
    if not isinstance(segmentation, list) or not segmentation:
        return f'segmentation {short(segmentation)}, expected an RLE or a list of one polygon or more'
    for k, polygon in enumerate(segmentation):
        sound = isinstance(polygon, list) and len(polygon) >= 6 and len(polygon) % 2 == 0
        if not sound or not numbers(polygon, len(polygon)):
            return f'polygon {k} is {short(polygon)}, expected x and y of three points or more'
    return None
