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
from typing import Any, NamedTuple

import numpy as np

from .json_file import short, whole
from .ragged import offsets

_MAX_GROUPS = 12  # 60 bits; a longer number cannot be a count


def _segment_of(splits: np.ndarray) -> np.ndarray:
    return np.repeat(np.arange(len(splits) - 1), np.diff(splits))


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


def _decode(strings: Sequence[bytes | str]) -> tuple[np.ndarray, np.ndarray, dict[int, str]]:
    """Counts and splits of compressed counts, and what is wrong with the broken ones; their counts mean nothing."""
    # Outside ASCII two bytes or more come of a character, all outside the code; 'replace' would give a valid '?'.
    raw = [s.encode('utf-8', 'surrogatepass') if isinstance(s, str) else bytes(s) for s in strings]
    ends = offsets(np.fromiter(map(len, raw), np.int64, len(raw)))
    code = np.frombuffer(b''.join(raw), np.uint8)
    if not len(code):
        return np.zeros(0, np.int64), np.zeros(len(raw) + 1, np.int64), {}
    foreign = np.flatnonzero((code < 48) | (code > 111))
    code = code - 48
    code[foreign] = 0
    filled = np.flatnonzero(np.diff(ends))
    cut = filled[code[ends[filled + 1] - 1] >= 32]
    code[ends[cut + 1] - 1] &= 31
    stops = np.flatnonzero(code < 32) + 1
    begins = np.append(0, stops[:-1])
    splits = np.searchsorted(stops, ends, side='right')  # stops[k] is the end of number k, and every RLE ends at one
    groups = stops - begins
    place = np.minimum(np.arange(len(code)) - np.repeat(begins, groups), _MAX_GROUPS)
    values = np.add.reduceat((code & 31).astype(np.int64) << (5 * place), begins)
    values -= ((code[stops - 1] & 16) > 0).astype(np.int64) << (5 * np.minimum(groups, _MAX_GROUPS))
    counts = _other_parity(values, splits, undo=True)
    problems = {}
    for k in np.flatnonzero(counts < 0)[::-1]:
        problems[int(np.searchsorted(splits, k, side='right')) - 1] = f'negative count {counts[k]}'
    for k in np.flatnonzero(groups > _MAX_GROUPS):
        problems[int(np.searchsorted(splits, k, side='right')) - 1] = f'a count of more than {_MAX_GROUPS} characters'
    problems |= {int(i): 'the compressed counts are cut off' for i in cut}
    for i in np.unique(np.searchsorted(ends, foreign, side='right') - 1).tolist():
        text = strings[i] if isinstance(strings[i], str) else raw[i].decode('latin-1')
        character = next(c for c in text if not '0' <= c <= 'o')
        problems[i] = f'character {character!r} is not of the COCO code'
    return counts, splits, problems


def decode_rles(rles: Sequence[Mapping[str, Any]], sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[int, str]]:
    """Decode RLEs of masks of ``sizes`` (N, 2) h, w, their ``counts`` compressed (str, bytes) or a list of ints.

    Returns:
        counts (K,) int64 of all RLEs end to end, splits (N + 1,) int64 (RLE i has ``counts[splits[i]:splits[i + 1]]``),
        and what is wrong with the broken ones by index; these have counts of 0.
    """
    problems: dict[int, str] = {}
    strings, areas = [rle['counts'] for rle in rles], sizes.prod(1)
    for i, found in enumerate(strings):
        if not isinstance(found, str | bytes):
            runs: list[Any] = list(found) if isinstance(found, Sequence | np.ndarray) else [None]
            if not all(whole(run) and 0 <= run <= areas[i] for run in runs):
                problems[i], runs = f'counts {short(found)}, expected whole numbers of px, each within the image', []
            strings[i] = counts_to_strings(np.array(runs, np.int64), np.array([0, len(runs)]))[0]
    counts, splits, broken = _decode(strings)
    problems = broken | problems
    for i in problems:
        counts[splits[i] : splits[i + 1]] = 0
    # A count above all areas is as wrong as any: such counts add up to anything in 64 bits.
    counts = np.minimum(counts, areas.max(initial=0) + 1)
    covered = np.diff(offsets(counts)[splits])
    for i in np.flatnonzero(covered != areas).tolist():
        h, w = sizes[i].tolist()
        problems.setdefault(i, f'it covers {covered[i]} px, expected {h} × {w} = {h * w}')
        counts[splits[i] : splits[i + 1]] = 0
    return counts, splits, problems


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
    counts, splits, problems = decode_rles(rles, np.full((len(rles), 2), (height, width)))
    for i in sorted(problems)[:1]:
        raise ValueError(f'RLE {i}: {problems[i]}')
    return counts, splits


class Runs(NamedTuple):
    """Foreground runs of RLEs, in order: index of the RLE, length, x and y of the first px (each (R,) int64)."""

    owner: np.ndarray
    length: np.ndarray
    x: np.ndarray
    y: np.ndarray


def foreground(counts: np.ndarray, splits: np.ndarray, height: int | np.ndarray) -> tuple[Runs, np.ndarray]:
    """The foreground runs of valid RLEs of one height or a height each (N,), and their tight boxes (N, 4) int64 xyxy.

    The box of an empty mask is all zeros.
    """
    sums = offsets(counts)
    position = np.arange(len(counts)) - np.repeat(splits[:-1], np.diff(splits))
    runs = np.flatnonzero((position % 2 == 1) & (counts > 0))
    owner = _segment_of(splits)[runs]
    begin, length = sums[runs] - sums[splits[owner]], counts[runs]
    high = height if isinstance(height, int | np.integer) else height[owner]
    x, y = np.divmod(begin, high) if len(runs) else (begin, begin)
    x_last, y_last = np.divmod(begin + length - 1, high) if len(runs) else (begin, begin)
    wraps = x_last > x  # such a run holds the last pixel of one column and the first of the next
    boxes = np.zeros((len(splits) - 1, 4), np.int64)
    heads = np.flatnonzero(np.diff(owner, prepend=-1))
    if len(heads):
        named = owner[heads]
        boxes[named, 0] = x[heads]
        boxes[named, 1] = np.minimum.reduceat(np.where(wraps, 0, y), heads)
        boxes[named, 2] = np.maximum.reduceat(x_last, heads) + 1
        boxes[named, 3] = np.maximum.reduceat(np.where(wraps, high - 1, y_last), heads) + 1
    return Runs(owner, length, x, y), boxes


def _transposed(bits: np.ndarray, starts: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Each window of (rows, columns) ``shape`` (N, 2) rewritten column by column."""
    ends = starts.tolist()
    windows = [bits[a:b].reshape(s).T.ravel() for a, b, s in zip(ends, ends[1:], shape.tolist()) if b > a]
    return np.concatenate(windows) if windows else np.zeros(0, bits.dtype)


def counts_to_windows(counts: np.ndarray, splits: np.ndarray, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tight windows of RLEs that are known to be valid: boxes (N, 4) int32, starts (N + 1,) int64, bits uint8."""
    runs, boxes = foreground(counts, splits, height)
    wide, high = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    starts = offsets(wide * high)
    # A run that wraps has a window of full height, so in a window read by columns every run is one piece.
    owner = runs.owner
    first = starts[owner] + (runs.x - boxes[owner, 0]) * high[owner] + runs.y - boxes[owner, 1]
    change = np.zeros(starts[-1] + 1, np.int8)
    change[first] += 1
    change[first + runs.length] -= 1
    columns = np.cumsum(change[:-1], dtype=np.int8).view(np.uint8)
    return boxes.astype(np.int32), starts, _transposed(columns, starts, np.stack([wide, high], axis=1))


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
