"""What may be wrong with the entries of a predictions file. Masks are judged by their runs, never painted."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .json_file import LISTED, numbers, short, whole
from .rle import decode_rles, rle_problem, tight_boxes

WHOLE_FILE = -1  # index of a violation that is the file's and no entry's

# Rules that callers tell apart
CATEGORY, SCORE_RANGE, BOX_SIZE = 'category', 'score range', 'box size'
EMPTY_MASK, MASK_OUTSIDE, LISTED_COUNTS, REPEATED = 'empty mask', 'mask outside box', 'listed counts', 'repeated'

_SLACK = 1.0  # px by which a mask may stick out of its box, and a box be larger than its image
_FITTING = {CATEGORY, 'score', SCORE_RANGE, LISTED_COUNTS}  # what does not keep box and mask from being compared


class Violation(NamedTuple):
    """What is wrong with one entry: its index in the list, its image id as found, the problem, and the rule."""

    index: int  # type: ignore[assignment]  # the name hides tuple.index
    image_id: Any
    problem: str
    rule: str = ''

    def __str__(self) -> str:
        where = 'the file' if self.index == WHOLE_FILE else f'entry {self.index} (image {short(self.image_id)})'
        return f'{where}: {self.problem}'


def _plainly_right(entry: Any, images: Mapping[int, tuple[int, int]], categories: Collection[int]) -> bool:
    """Whether an entry as json reads it has nothing wrong but perhaps its mask: the quick way for most of them."""
    try:
        x, y, wide, high = entry['bbox']
        height, width = images[entry['image_id']]
        rle, score = entry['segmentation'], entry['score']
        return (
            type(entry['image_id']) is int
            and type(entry['category_id']) is int
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


def _box_problem(box: Any, size: tuple[int, int] | None) -> tuple[str, str] | None:
    """(Problem, rule) of a bbox xywh; ``size`` (h, w) of its image, if that is known."""
    if not isinstance(box, LISTED) or len(box) != 4 or not numbers(found := list(box), 4):
        return f'bbox {short(box)}, expected four finite numbers x, y, width, height', 'bbox'
    if found[2] <= 0 or found[3] <= 0:
        return f'bbox {found} has width {found[2]} and height {found[3]}, expected both above 0', BOX_SIZE
    if size and (found[2] > size[1] + _SLACK or found[3] > size[0] + _SLACK):
        return f'bbox {found} is larger than the image of width {size[1]} and height {size[0]}', BOX_SIZE
    return None


def _field_problems(
    entry: Any, images: Mapping[int, tuple[int, int]], categories: Collection[int], keys: Sequence[str]
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
    if 'bbox' in keys and (problem := _box_problem(entry['bbox'], size)):
        problems.append(problem)
    if 'segmentation' in keys:
        if text := rle_problem(entry['segmentation'], size):
            problems.append((text, 'mask'))
        elif not isinstance(entry['segmentation']['counts'], str | bytes):
            text = 'the RLE counts are a list, expected the compressed string (pycocotools.mask.frPyObjects makes it)'
            problems.append((text, LISTED_COUNTS))
    return problems


def examine(
    entries: Sequence[Any],
    images: Mapping[int, tuple[int, int]],
    category_ids: Iterable[int],
    *,
    places: Sequence[int] | np.ndarray | None = None,
    boxes: bool = True,
    masks: bool = True,
) -> tuple[list[Violation], np.ndarray]:
    """Hold entries against the images (id → (height, width) px) and the categories.

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
    keys = ['image_id', 'bbox', 'score', 'category_id', 'segmentation']
    keys = [key for key in keys if boxes or key != 'bbox' if masks or key != 'segmentation']
    problems: dict[int, list[tuple[str, str]]] = {}
    for i, entry in enumerate(entries):
        quick = boxes and masks and _plainly_right(entry, images, categories)
        if not quick and (found := _field_problems(entry, images, categories, keys)):
            problems[i] = found
    forms = np.zeros(len(entries), np.int64)
    if masks:
        spoilt = {i for i, found in problems.items() if {rule for _, rule in found} & {'entry', 'image', 'mask'}}
        masked = [i for i in range(len(entries)) if i not in spoilt]
        rles = [entries[i]['segmentation'] for i in masked]
        sizes = np.array([rle['size'] for rle in rles], np.int64).reshape(-1, 2)
        counts, splits, broken = decode_rles(rles, sizes)
        tight = tight_boxes(counts, splits, sizes[:, 0])
        for n, text in sorted(broken.items()):
            problems.setdefault(masked[n], []).append((f'the RLE does not decode: {text}', 'mask'))
        for n in np.flatnonzero(tight[:, 2] == 0):
            if n not in broken:
                problems.setdefault(masked[n], []).append(('the mask is empty', EMPTY_MASK))
        if boxes:
            unfit = {i for i, found in problems.items() if {rule for _, rule in found} - _FITTING}
            rows = np.array([n for n, i in enumerate(masked) if i not in unfit], np.int64)
            indices = np.array(masked, np.int64)[rows]
            _fit(entries, indices, tight[rows], forms, problems)
        _find_repeated(entries, masked, problems)
    places = range(len(entries)) if places is None else places
    violations = [
        Violation(int(places[i]), entries[i].get('image_id') if isinstance(entries[i], Mapping) else None, *problem)
        for i in sorted(problems)
        for problem in problems[i]
    ]
    return violations, forms


def _fit(
    entries: Sequence[Any], indices: np.ndarray, tight: np.ndarray, forms: np.ndarray, problems: dict[int, list]
) -> None:
    """Hold boxes against their masks' tight boxes (N, 4) xyxy: fill in ``forms`` and ``problems``."""
    given = np.array([list(entries[i]['bbox']) for i in indices], np.float64).reshape(-1, 4)
    np.clip(given, -1e15, 1e15, out=given)  # sums of larger ones may leave the floats
    corners = np.concatenate([given[:, :2], given[:, :2] + given[:, 2:]], axis=1)
    out = np.any((tight[:, :2] < corners[:, :2] - _SLACK) | (tight[:, 2:] > corners[:, 2:] + _SLACK), axis=1)
    for n in np.flatnonzero(out):
        x0, y0, x1, y1 = tight[n]
        text = (
            f'the mask reaches x {x0}–{x1}, y {y0}–{y1}, more than {_SLACK:g} px out of bbox '
            f'{list(entries[indices[n]]["bbox"])} (x, y, width, height)'
        )
        problems.setdefault(int(indices[n]), []).append((text, MASK_OUTSIDE))
    gain = np.abs(given - tight).sum(1) - np.abs(corners - tight).sum(1)
    forms[indices] = np.sign(np.where(np.abs(gain) > _SLACK, gain, 0))


def _find_repeated(entries: Sequence[Any], masked: Sequence[int], problems: dict[int, list]) -> None:
    """Fill in ``problems`` of the entries that are all like an earlier one."""
    codes = [str(entries[i]['segmentation']['counts']) for i in masked]
    if len(set(codes)) == len(codes):
        return
    number, seen = Counter(codes), set()
    for i, code in zip(masked, codes):
        if number[code] > 1:
            key = (code, *(str(entries[i].get(name)) for name in ('image_id', 'category_id', 'score', 'bbox')))
            if key in seen:
                problems.setdefault(i, []).append(('it is the same as an earlier entry', REPEATED))
            seen.add(key)
