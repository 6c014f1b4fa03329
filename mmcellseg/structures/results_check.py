"""What may be wrong with the entries of a predictions file. Masks are judged by their runs, never painted."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .ragged import offsets
from .rle import strings_to_counts

Entry = dict[str, Any]

EMPTY_MASK = 'the mask is empty'

_BOX_SLACK = 1.0  # px by which a mask may stick out of its box


class Violation(NamedTuple):
    """What is wrong with one entry: its index in the list, its image id as found, and the problem."""

    index: int  # type: ignore[assignment]  # the name hides tuple.index
    image_id: Any
    problem: str


def _run_lengths(rles: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Run lengths of all RLEs (K,), where each begins (N + 1,), and which do not decode (N,) bool.

    An RLE that does not decode has no runs.
    """
    counts = [rle['counts'] for rle in rles]
    if all(isinstance(c, str | bytes) for c in counts):
        try:
            return *strings_to_counts(counts), np.zeros(len(counts), bool)
        except ValueError:
            pass  # one of them is broken: find out which
    pieces, broken = [], np.zeros(len(counts), bool)
    for i, one in enumerate(counts):
        try:
            coded = isinstance(one, str | bytes)
            pieces.append(strings_to_counts([one])[0] if coded else np.array([int(c) for c in one], np.int64))
        except (ValueError, TypeError):
            pieces.append(np.zeros(0, np.int64))
            broken[i] = True
    return np.concatenate(pieces), offsets(np.array([len(p) for p in pieces])), broken


def mask_extents(rles: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, list[str | None]]:
    """Tight boxes (N, 4) xyxy px of RLEs of any image sizes, and what is wrong with each RLE (None: nothing).

    The box of a broken mask is all zeros, and so is an empty one's, which is a problem too.
    """
    counts, splits, broken = _run_lengths(rles)
    sizes = np.array([rle['size'] for rle in rles], np.int64).reshape(-1, 2)
    owner = np.repeat(np.arange(len(rles)), np.diff(splits))
    ends = offsets(counts)
    covered = ends[splits[1:]] - ends[splits[:-1]]
    negative = np.zeros(len(rles), bool)
    negative[owner[counts < 0]] = True
    bad = broken | negative | (covered != sizes.prod(1))
    problems: list[str | None] = [None] * len(rles)
    for i in np.flatnonzero(bad):
        h, w = sizes[i]
        problems[i] = (
            'the RLE does not decode'
            if broken[i]
            else 'the RLE has a negative run'
            if negative[i]
            else f'the RLE covers {covered[i]} px, expected {h} × {w} = {h * w}'
        )
    odd = (np.arange(len(counts)) - splits[owner]) % 2 == 1
    runs = np.flatnonzero(odd & (counts > 0) & ~bad[owner])
    owner = owner[runs]
    begin = ends[runs] - ends[splits[owner]]
    last = begin + counts[runs] - 1
    h = sizes[owner, 0]
    x0, x1 = begin // h, last // h
    y0, y1 = np.where(x0 == x1, begin % h, 0), np.where(x0 == x1, last % h, h - 1)
    boxes = np.zeros((len(rles), 4), np.int64)
    if len(runs):
        first = np.flatnonzero(np.diff(owner, prepend=-1))
        low, high = np.minimum.reduceat, np.maximum.reduceat
        boxes[owner[first]] = np.stack(
            [low(x0, first), low(y0, first), high(x1, first) + 1, high(y1, first) + 1], axis=1
        )
    for i in np.flatnonzero(~bad & (boxes[:, 2] == 0)):
        problems[i] = EMPTY_MASK
    return boxes, problems


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _plainly_right(entry: Any, images: Mapping[int, tuple[int, int]], categories: set[int]) -> bool:
    """Whether an entry as json reads it has nothing wrong but perhaps its mask: the quick way for most of them."""
    try:
        box, score, rle = entry['bbox'], entry['score'], entry['segmentation']
        return (
            type(entry['image_id']) is int
            and type(entry['category_id']) is int
            and entry['category_id'] in categories
            and type(score) is float
            and 0 <= score <= 1
            and len(box) == 4
            and set(map(type, box)) <= {int, float}
            and math.isfinite(sum(box))
            and box[2] > 0
            and box[3] > 0
            and type(rle['counts']) is str
            and tuple(rle['size']) == images[entry['image_id']]
        )
    except (KeyError, TypeError):
        return False


def _field_problems(entry: Any, images: Mapping[int, tuple[int, int]], categories: set[int]) -> tuple[list[str], bool]:
    """What can be said of an entry without decoding its mask, and whether its mask can be decoded."""
    if not isinstance(entry, Mapping):
        return [f'expected an object, found {str(entry)[:40]}'], False
    keys = ('image_id', 'bbox', 'score', 'category_id', 'segmentation')
    missing = [key for key in keys if key not in entry]
    if missing:
        return [f'it has no {", ".join(missing)}'], False
    image_id, score, category, box = (entry[k] for k in ('image_id', 'score', 'category_id', 'bbox'))
    problems = []
    known = isinstance(image_id, (int, np.integer)) and not isinstance(image_id, bool) and image_id in images
    if not known:
        problems.append(f'image id {image_id!r} is not among the {len(images)} known images')
    if isinstance(category, bool) or not isinstance(category, (int, np.integer)) or category not in categories:
        problems.append(f'unknown category {category!r}, expected one of {sorted(categories)}')
    if not _is_number(score) or not math.isfinite(score) or not 0 <= score <= 1:
        problems.append(f'score {score!r}, expected a finite number in [0, 1]')
    if not isinstance(box, Sequence | np.ndarray) or len(box) != 4 or not all(map(_is_number, box)):
        problems.append(f'bbox {box!r}, expected four numbers x, y, width, height')
    elif not all(map(math.isfinite, box)):
        problems.append(f'bbox {list(box)} is not finite')
    elif box[2] <= 0 or box[3] <= 0:
        problems.append(f'bbox {list(box)} has width {box[2]} and height {box[3]}, expected both above 0')
    rle, others = entry['segmentation'], len(problems)
    if not isinstance(rle, Mapping) or 'size' not in rle or 'counts' not in rle:
        problems.append(f'segmentation {str(rle)[:40]}, expected an RLE with size and counts')
    elif not isinstance(rle['size'], Sequence) or len(rle['size']) != 2 or not all(map(_is_number, rle['size'])):
        problems.append(f'RLE size {rle["size"]!r}, expected [height, width]')
    elif known and tuple(rle['size']) != tuple(images[image_id]):
        problems.append(f'RLE size {list(rle["size"])}, expected {list(images[image_id])} of the image')
    elif not isinstance(rle['counts'], str | bytes | Sequence):
        problems.append(f'RLE counts of type {type(rle["counts"]).__name__}, expected a string')
    return problems, len(problems) == others


def examine(
    entries: Sequence[Any], images: Mapping[int, tuple[int, int]], category_ids: Iterable[int]
) -> tuple[list[Violation], np.ndarray]:
    """``check_entries`` and ``box_forms`` at once; entries with something wrong have the form 0."""
    categories = {int(c) for c in category_ids}
    problems, decodable = {}, []
    for i, entry in enumerate(entries):
        if _plainly_right(entry, images, categories):
            decodable.append(i)
            continue
        found, readable = _field_problems(entry, images, categories)
        if found:
            problems[i] = found
        if readable:
            decodable.append(i)
    tight, wrong = mask_extents([entries[i]['segmentation'] for i in decodable])
    for n, i in enumerate(decodable):
        if (problem := wrong[n]) is not None:
            problems.setdefault(i, []).append(problem)
    rows = np.array([n for n, i in enumerate(decodable) if i not in problems], np.int64)
    boxes = np.array([list(entries[decodable[n]]['bbox']) for n in rows], np.float64).reshape(-1, 4)
    low, high = boxes[:, :2] - _BOX_SLACK, boxes[:, :2] + boxes[:, 2:] + _BOX_SLACK
    for n in rows[np.any((tight[rows, :2] < low) | (tight[rows, 2:] > high), axis=1)]:
        x0, y0, x1, y1 = tight[n]
        problems[decodable[n]] = [
            f'the mask reaches x {x0}–{x1}, y {y0}–{y1}, more than {_BOX_SLACK:g} px out of bbox '
            f'{list(entries[decodable[n]]["bbox"])} (x, y, width, height)'
        ]
    forms = np.zeros(len(entries), np.int64)
    forms[np.array(decodable, np.int64)[rows]] = _forms(boxes, tight[rows])
    violations = [
        Violation(i, entries[i].get('image_id') if isinstance(entries[i], Mapping) else None, problem)
        for i in sorted(problems)
        for problem in problems[i]
    ]
    return violations, forms


def check_entries(
    entries: Sequence[Any], images: Mapping[int, tuple[int, int]], category_ids: Iterable[int]
) -> list[Violation]:
    """Hold every entry against the images (id → (height, width) px) and the categories; all that is wrong.

    Wrong are: a missing field, an unknown image or category, an RLE of another size than the image, one that
    does not decode, an empty mask, a score that is not a finite number in [0, 1], a box without width or
    height, and a mask whose tight box leaves its box grown by 1 px. Sorted by index; an entry may have several.
    """
    return examine(entries, images, category_ids)[0]


def _forms(boxes: np.ndarray, tight: np.ndarray) -> np.ndarray:
    """See ``box_forms``: boxes as they are (N, 4) and the tight ones xyxy (N, 4) → (N,)."""
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    gain = np.abs(boxes - tight).sum(1) - np.abs(corners - tight).sum(1)
    return np.sign(np.where(np.abs(gain) > _BOX_SLACK, gain, 0)).astype(np.int64)


def _readable(entry: Any) -> bool:
    """Whether an entry has four numbers as box and something like an RLE as mask."""
    if not isinstance(entry, Mapping) or not isinstance(rle := entry.get('segmentation'), Mapping):
        return False
    box, size = entry.get('bbox'), rle.get('size')
    return (
        isinstance(box, Sequence | np.ndarray)
        and len(box) == 4
        and all(_is_number(v) and math.isfinite(v) for v in box)
        and isinstance(size, Sequence | np.ndarray)
        and len(size) == 2
        and all(map(_is_number, size))
        and isinstance(rle.get('counts'), str | bytes | Sequence)
    )


def box_forms(entries: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Per entry (N,) int: 1 if its box lies clearly nearer to its mask as (x, y, w, h), -1 if as
    (x0, y0, x1, y1), 0 if neither or if box or mask cannot be read."""
    usable = [i for i, entry in enumerate(entries) if _readable(entry)]
    tight, problems = mask_extents([entries[i]['segmentation'] for i in usable])
    boxes = np.array([list(entries[i]['bbox']) for i in usable], np.float64).reshape(-1, 4)
    forms = np.zeros(len(entries), np.int64)
    forms[usable] = _forms(boxes, tight) * np.array([p is None for p in problems], bool)
    return forms


def boxes_fit_xyxy(entries: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the boxes of a file fit their masks better as corners xyxy than as xywh."""
    return bool(box_forms(entries).sum() < 0)
