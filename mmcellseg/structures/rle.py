"""COCO run-length encoding of many masks at once, in numpy.

A mask of h×w px is read column by column; ``counts`` are the lengths of its runs, background first (0 if the
first pixel is foreground). The compressed form writes each count in groups of 5 bits (lowest first, bit 5 says
that more follow, the last group's bit 4 is the sign, + 48 makes it printable), from the fourth count on as the
difference to the count two before (pycocotools, ``common/maskApi.c``).

"Windows" are box-local bitmaps as :class:`InstanceMasks` keeps them: half-open ``boxes`` (N, 4) xyxy and ``bits``,
each window row by row, laid end to end.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from .ragged import offsets

_MAX_GROUPS = 12  # 60 bits; a longer number cannot be a count


def _segment_of(splits: np.ndarray) -> np.ndarray:
    return np.repeat(np.arange(len(splits) - 1), np.diff(splits))


def _fail(bad: np.ndarray, problem: str) -> None:
    """Raise for the first True of ``bad``."""
    if bad.any():
        raise ValueError(f'RLE {int(np.argmax(bad))}: {problem}')


def _other_parity(values: np.ndarray, splits: np.ndarray, *, undo: bool) -> np.ndarray:
    """Take (or with ``undo`` add up) the differences to the count two before, from the fourth count on."""
    index = np.arange(len(values)) - np.repeat(splits[:-1], np.diff(splits))
    if not undo:
        out = values.copy()
        later = np.flatnonzero(index > 2)
        out[later] -= values[later - 2]
        return out
    out = values.copy()
    for first in (1, 2):  # counts 1, 3, 5, … are one chain of sums, 2, 4, 6, … the other
        chain = np.flatnonzero((index % 2 == first % 2) & (index > 0))
        sums = np.cumsum(values[chain])
        heads = np.flatnonzero(index[chain] == first)
        before = sums[heads] - values[chain[heads]]
        out[chain] = sums - np.repeat(before, np.diff(np.append(heads, len(chain))))
    return out


def strings_to_counts(strings: Sequence[bytes | str]) -> tuple[np.ndarray, np.ndarray]:
    """Decode compressed counts.

    Returns:
        counts (K,) int64 of all RLEs end to end, and splits (N + 1,) int64: RLE i has
        ``counts[splits[i]:splits[i + 1]]``.

    Raises:
        ValueError: A string is cut off, has a character outside the code, or gives a negative count.
    """
    raw = [s.encode('latin-1', 'replace') if isinstance(s, str) else bytes(s) for s in strings]
    ends = offsets(np.fromiter(map(len, raw), np.int64, len(raw)))
    code = np.frombuffer(b''.join(raw), np.uint8)
    if not len(code):
        return np.zeros(0, np.int64), np.zeros(len(raw) + 1, np.int64)
    foreign = np.flatnonzero((code < 48) | (code > 111))
    if len(foreign):
        index = int(np.searchsorted(ends, foreign[0], side='right')) - 1
        raise ValueError(f'RLE {index}: character {chr(code[foreign[0]])!r} is not of the COCO code')
    code = code - 48
    last = code < 32
    filled = np.diff(ends) > 0
    cut = np.zeros(len(raw), bool)
    cut[filled] = ~last[ends[1:][filled] - 1]
    _fail(cut, 'the compressed counts are cut off')
    stops = np.flatnonzero(last) + 1
    begins = np.append(0, stops[:-1])
    splits = np.searchsorted(stops, ends)  # stops[k] is the end of number k, and every RLE ends at one
    splits = np.where(ends == 0, 0, splits + 1)
    groups = stops - begins
    if groups.max() > _MAX_GROUPS:
        bad = int(np.searchsorted(splits, int(np.argmax(groups > _MAX_GROUPS)), side='right')) - 1
        raise ValueError(f'RLE {bad}: a count of more than {_MAX_GROUPS} characters')
    place = np.arange(len(code)) - np.repeat(begins, groups)
    values = np.add.reduceat((code & 31).astype(np.int64) << (5 * place), begins)
    values -= ((code[stops - 1] & 16) > 0).astype(np.int64) << (5 * groups)
    counts = _other_parity(values, splits, undo=True)
    negative = np.flatnonzero(counts < 0)
    if len(negative):
        bad = int(np.searchsorted(splits, negative[0], side='right')) - 1
        raise ValueError(f'RLE {bad}: negative count {counts[negative[0]]}')
    return counts, splits


def counts_to_strings(counts: np.ndarray, splits: np.ndarray) -> list[bytes]:
    """Encode counts (K,) int64 of N RLEs, split as :func:`strings_to_counts` returns them."""
    values = _other_parity(np.asarray(counts, np.int64), splits, undo=False)
    # Most numbers fit one group (-16 to 15), so each further group looks at those that go on only.
    rest = values
    alive: np.ndarray = np.arange(len(values))
    groups, parts = np.zeros(len(values), np.int64), []
    while len(alive):
        more = (rest < -16) | (rest > 15)
        groups[alive] += 1
        parts.append((alive, ((rest & 31) + 48 + 32 * more).astype(np.uint8)))
        alive, rest = alive[more], rest[more] >> 5
    begins = offsets(groups)
    code = np.empty(begins[-1], np.uint8)
    for group, (at, characters) in enumerate(parts):
        code[begins[at] + group] = characters
    text, ends = code.tobytes(), begins[splits].tolist()
    return [text[a:b] for a, b in pairwise(ends)]


def read_rles(rles: Sequence[Mapping], height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts and splits of COCO dicts whose ``counts`` are compressed (str, bytes) or a list of ints.

    Raises:
        ValueError: names the index of an RLE of another size than h×w or whose counts do not add up to it.
    """
    for i, rle in enumerate(rles):
        size = rle.get('size') if isinstance(rle, Mapping) else None
        if size is None or rle.get('counts') is None:
            raise ValueError(f'RLE {i}: expected a dict with size and counts, found {type(rle).__name__}')
        if tuple(size) != (height, width):
            raise ValueError(f'RLE {i}: its size (h, w) is {list(size)}, expected [{height}, {width}]')
    plain = [i for i, rle in enumerate(rles) if not isinstance(rle['counts'], (str, bytes))]
    if plain:
        rles = list(rles)
        lists = [np.asarray(rles[i]['counts'], np.int64).reshape(-1) for i in plain]
        strings = counts_to_strings(np.concatenate(lists), offsets(np.array([len(c) for c in lists])))
        for i, string in zip(plain, strings):
            rles[i] = {'counts': string}
    counts, splits = strings_to_counts([rle['counts'] for rle in rles])
    sums = offsets(counts)[splits]
    wrong = np.diff(sums) != height * width
    if wrong.any():
        i = int(np.argmax(wrong))
        raise ValueError(
            f'RLE {i}: its counts add up to {sums[i + 1] - sums[i]}, expected {height} x {width} = {height * width}'
        )
    return counts, splits


def _transposed(bits: np.ndarray, starts: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Each window of (rows, columns) ``shape`` (N, 2) rewritten column by column."""
    ends = starts.tolist()
    windows = [bits[a:b].reshape(s).T.ravel() for a, b, s in zip(ends, ends[1:], shape.tolist()) if b > a]
    return np.concatenate(windows) if windows else np.zeros(0, bits.dtype)


def counts_to_windows(counts: np.ndarray, splits: np.ndarray, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tight windows of RLEs that are known to be valid: boxes (N, 4) int32, starts (N + 1,) int64, bits uint8."""
    number = len(splits) - 1
    sums = offsets(counts)
    position = np.arange(len(counts)) - np.repeat(splits[:-1], np.diff(splits))
    fore = np.flatnonzero((position % 2 == 1) & (counts > 0))
    owner = _segment_of(splits)[fore]
    begin = sums[fore] - sums[splits[owner]]
    end = begin + counts[fore]
    x_begin, y_begin = np.divmod(begin, height) if height else (begin, begin)
    x_last, y_last = np.divmod(end - 1, height) if height else (end, end)
    wraps = x_last > x_begin  # such a run holds the last pixel of one column and the first of the next
    boxes = np.zeros((number, 4), np.int32)
    heads = np.flatnonzero(np.diff(owner, prepend=-1))
    if len(heads):
        named = owner[heads]
        boxes[named, 0] = x_begin[heads]
        boxes[named, 1] = np.minimum.reduceat(np.where(wraps, 0, y_begin), heads)
        boxes[named, 2] = np.maximum.reduceat(x_last, heads) + 1
        boxes[named, 3] = np.maximum.reduceat(np.where(wraps, height - 1, y_last), heads) + 1
    wide = (boxes[:, 2] - boxes[:, 0]).astype(np.int64)
    high = (boxes[:, 3] - boxes[:, 1]).astype(np.int64)
    starts = offsets(wide * high)
    # A run that wraps has a window of full height, so in a window read by columns every run is one piece.
    first = starts[owner] + (x_begin - boxes[owner, 0]) * high[owner] + y_begin - boxes[owner, 1]
    change = np.zeros(starts[-1] + 1, np.int8)
    change[first] += 1
    change[first + counts[fore]] -= 1
    columns = np.cumsum(change[:-1], dtype=np.int8).view(np.uint8)
    return boxes, starts, _transposed(columns, starts, np.stack([wide, high], axis=1))


def windows_to_counts(
    boxes: np.ndarray, starts: np.ndarray, bits: np.ndarray, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Counts and splits of the full h×w masks whose windows these are; every bit but 0 is foreground."""
    number = len(boxes)
    corner, size = boxes[:, :2].astype(np.int64), (boxes[:, 2:] - boxes[:, :2]).astype(np.int64)
    (x0, y0), (wide, high) = corner.T, size.T
    columns = _transposed(bits, starts, np.stack([high, wide], axis=1)) != 0
    border = np.zeros(len(columns) + 1, bool)  # a column starts here
    border[-1:] = True
    filled = np.where(high > 0, wide, 0)
    border_at = np.repeat(starts[:-1], filled)
    border_at += (np.arange(len(border_at)) - np.repeat(offsets(filled)[:-1], filled)) * np.repeat(high, filled)
    border[border_at] = True
    opens, closes = columns.copy(), columns.copy()
    opens[1:] &= ~columns[:-1] | border[1:-1]
    closes[:-1] &= ~columns[1:] | border[1:-1]
    first, last = np.flatnonzero(opens), np.flatnonzero(closes)
    owner = np.searchsorted(starts, first, side='right') - 1
    local = first - starts[owner]
    column = local // np.maximum(high[owner], 1)
    begin = (column + x0[owner]) * height + local - column * high[owner] + y0[owner]
    end = begin + last - first + 1
    # Runs of neighbouring columns touch only if the window has the full height.
    joined = np.flatnonzero((end[:-1] == begin[1:]) & (owner[:-1] == owner[1:]))
    begin, owner, end = np.delete(begin, joined + 1), np.delete(owner, joined + 1), np.delete(end, joined)
    runs = np.bincount(owner, minlength=number)
    edges = offsets(2 * runs + 2)  # 0, begin, end, begin, end, …, h×w
    marks = np.zeros(edges[-1], np.int64)
    at = edges[owner] + 1 + 2 * (np.arange(len(owner)) - offsets(runs)[owner])
    marks[at], marks[at + 1] = begin, end
    marks[edges[1:] - 1] = height * width
    counts = np.diff(marks)
    keep = np.ones(len(marks), bool)[1:]
    keep[edges[1:-1] - 1] = False  # from the end of one mask to the start of the next
    ends_full = (runs > 0) & (marks[np.maximum(edges[1:] - 2, 0)] == height * width)
    keep[(edges[1:] - 2)[ends_full]] = False  # the last pixel is foreground: no run follows
    return counts[keep], offsets(2 * runs + 1 - ends_full)
