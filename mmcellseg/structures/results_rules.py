"""What may be wrong with the entries of a predictions file. Masks are judged by their runs, never painted."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .json_file import LISTED, numbers, short, whole
from .rle import decode_rles, foreground, rle_problem

WHOLE_FILE = -1  # index of a violation that is the file's and no entry's

# Rules that callers tell apart
CATEGORY, SCORE_RANGE, BOX_SIZE = 'category', 'score range', 'box size'
EMPTY_MASK, MASK_OUTSIDE, LISTED_COUNTS, REPEATED = 'empty mask', 'mask outside box', 'listed counts', 'repeated'

_SLACK = 1.0  # px by which a mask may stick out of its box, and a box be larger than its image
_UNMASKED = {'entry', 'image', 'mask'}  # what keeps a mask from being decoded
_FITTING = {CATEGORY, 'score', SCORE_RANGE, LISTED_COUNTS}  # what does not keep box and mask from being compared

Images = Mapping[int, tuple[int, int]]  # id → (height, width) px


class Violation(NamedTuple):
    """What is wrong with one entry: its index in the list, its image id as found, the problem, and the rule."""

    index: int  # type: ignore[assignment]  # the name hides tuple.index
    image_id: Any
    problem: str
    rule: str = ''

    def __str__(self) -> str:
        where = 'the file' if self.index == WHOLE_FILE else f'entry {self.index} (image {short(self.image_id)})'
        return f'{where}: {self.problem}'


def _plainly_right(entry: Any, images: Images, categories: Collection[int]) -> bool:
    """Whether an entry as json reads it has nothing wrong but perhaps its mask: the quick way for most of them."""
    try:
        x, y, wide, high = entry['bbox']
        height, width = images[entry['image_id']]
        rle, score = entry['segmentation'], entry['score']
        return (
            type(entry['image_id']) is type(entry['category_id']) is int
            and entry['category_id'] in categories
            and type(score) is float
            and 0 <= score <= 1
            and {type(x), type(y), type(wide), type(high)} <= {int, float}
            and math.isfinite(x + y)
            and 0 < wide <= width + _SLACK
            and 0 < high <= height + _SLACK
            and type(rle['counts']) is str
            and rle['size'] == [height, width]
            and set(map(type, rle['size'])) == {int}
        )
    except (KeyError, OverflowError, TypeError, ValueError):
        return False


def _field_problems(
    entry: Any, images: Images, categories: Collection[int], keys: Sequence[str]
) -> list[tuple[str, str]]:
    """(Problem, rule) of all that can be said of an entry without decoding its mask."""
    if not isinstance(entry, Mapping):
        return [(f'expected an object, found {short(entry)}', 'entry')]
    if missing := [key for key in keys if key not in entry]:
        return [(f'it has no {", ".join(missing)}', 'entry')]
    image_id, score, category = entry['image_id'], entry['score'], entry['category_id']
    problems = []
    size = images.get(image_id) if whole(image_id) else None
    if size is None:
        problems.append((f'image id {short(image_id)} is not among the {len(images)} known images', 'image'))
    if not whole(category) or category not in categories:
        problems.append((f'unknown category {short(category)}, expected one of {sorted(categories)}', CATEGORY))
    if not numbers([score], 1):
        problems.append((f'score {short(score)}, expected a finite number in [0, 1]', 'score'))
    elif not 0 <= score <= 1:
        problems.append((f'score {score!r}, expected a finite number in [0, 1]', SCORE_RANGE))
    if 'bbox' in keys:
        box = list(entry['bbox']) if isinstance(entry['bbox'], LISTED) else entry['bbox']
        if not numbers(box, 4):
            problems.append((f'bbox {short(box)}, expected four finite numbers x, y, width, height', 'bbox'))
        elif box[2] <= 0 or box[3] <= 0:
            text = f'bbox {box} has width {box[2]} and height {box[3]}, expected both above 0'
            problems.append((text, BOX_SIZE))
        elif size and (box[2] > size[1] + _SLACK or box[3] > size[0] + _SLACK):
            problems.append((f'bbox {box} is larger than the image of width {size[1]} and height {size[0]}', BOX_SIZE))
    if 'segmentation' in keys:
        if problem := rle_problem(entry['segmentation'], size):
            problems.append((problem, 'mask'))
        elif not isinstance(entry['segmentation']['counts'], str | bytes):
            text = 'the RLE counts are a list, expected the compressed string (pycocotools.mask.frPyObjects makes it)'
            problems.append((text, LISTED_COUNTS))
    return problems


def examine(
    entries: Sequence[Any],
    images: Images,
    category_ids: Iterable[int],
    *,
    places: Sequence[int] | np.ndarray | None = None,
    boxes: bool = True,
    masks: bool = True,
) -> tuple[list[Violation], np.ndarray]:
    """Hold entries against the images and the categories.

    Wrong are: a missing field, an unknown image or category, a score that is not a finite number in [0, 1], a box
    without width or height or larger than the image, an RLE of another size than the image or that does not decode,
    counts that are a list, an empty mask, a mask whose tight box leaves its box grown by 1 px, and an entry that is
    there before.

    Args:
        places: The entries' indices in their file, for the violations; None: 0, 1, …
        boxes, masks: Whether the entries need a box, and a mask; what is not needed is not looked at.

    Returns:
        All violations by index (an entry may have several), and per entry (N,) int: 1 if its box lies clearly nearer
        to its mask as (x, y, w, h), -1 if as (x0, y0, x1, y1), 0 if neither or if one of them is wrong.
    """
    categories = {int(category) for category in category_ids}
    keys = ['image_id', *['bbox'] * boxes, 'score', 'category_id', *['segmentation'] * masks]
    problems: dict[int, list[tuple[str, str]]] = {}
    for i, entry in enumerate(entries):
        quick = boxes and masks and _plainly_right(entry, images, categories)
        if not quick and (found := _field_problems(entry, images, categories, keys)):
            problems[i] = found
    forms = np.zeros(len(entries), np.int64)
    if masks:
        masked = [i for i in range(len(entries)) if i not in problems or not _rules(problems[i]) & _UNMASKED]
        rles = [entries[i]['segmentation'] for i in masked]
        sizes = np.array([rle['size'] for rle in rles], np.int64).reshape(-1, 2)
        counts, splits, broken = decode_rles(rles, sizes)
        tight, *_ = foreground(counts, splits, sizes[:, 0])
        for n in np.flatnonzero(tight[:, 2] == 0).tolist():
            broke = (f'the RLE does not decode: {broken[n]}', 'mask') if n in broken else None
            problems.setdefault(masked[n], []).append(broke or ('the mask is empty', EMPTY_MASK))
        if boxes:
            rows = [n for n, i in enumerate(masked) if i not in problems or _rules(problems[i]) <= _FITTING]
            compared = [masked[n] for n in rows]
            outside, forms[compared] = _fit([entries[i]['bbox'] for i in compared], tight[rows])
            for n in np.flatnonzero(outside).tolist():
                (x0, y0, x1, y1), i = tight[rows[n]], compared[n]
                text = (
                    f'the mask reaches x {x0}–{x1}, y {y0}–{y1}, more than {_SLACK:g} px out of bbox '
                    f'{list(entries[i]["bbox"])} (x, y, width, height)'
                )
                problems.setdefault(i, []).append((text, MASK_OUTSIDE))
        for i in _repeated(entries, masked):
            problems.setdefault(i, []).append(('it is the same as an earlier entry', REPEATED))
    places = range(len(entries)) if places is None else places
    violations = [
        Violation(int(places[i]), entries[i].get('image_id') if isinstance(entries[i], Mapping) else None, *problem)
        for i in sorted(problems)
        for problem in problems[i]
    ]
    return violations, forms


def _rules(problems: list[tuple[str, str]]) -> set[str]:
    return {rule for _, rule in problems}


def _fit(boxes: Sequence[Sequence[float]], tight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether the masks of tight boxes (N, 4) xyxy leave their boxes, (N,) bool, and these boxes' forms."""
    given = np.array([list(box) for box in boxes], np.float64).reshape(-1, 4)
    np.clip(given, -1e15, 1e15, out=given)  # sums of larger ones may leave the floats
    corners = np.concatenate([given[:, :2], given[:, :2] + given[:, 2:]], axis=1)
    outside = np.any((tight[:, :2] < corners[:, :2] - _SLACK) | (tight[:, 2:] > corners[:, 2:] + _SLACK), axis=1)
    gain = np.abs(given - tight).sum(1) - np.abs(corners - tight).sum(1)
    return outside, np.sign(np.where(np.abs(gain) > _SLACK, gain, 0))


def _repeated(entries: Sequence[Any], masked: Sequence[int]) -> Iterator[int]:
    """Those of the entries ``masked`` that are all like an earlier one."""
    codes = [str(entries[i]['segmentation']['counts']) for i in masked]
    number, seen = Counter(codes), set()
    for i, code in zip(masked, codes):
        if number[code] > 1:
            key = (code, *(str(entries[i].get(name)) for name in ('image_id', 'category_id', 'score', 'bbox')))
            if key in seen:
                yield i
            seen.add(key)
