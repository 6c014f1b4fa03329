"""COCO run-length encoding of many masks at once, in numpy.

A mask of h×w px is read column by column; ``counts`` are the lengths of its runs, background first (0 if the
first pixel is foreground). The compressed form writes each count in groups of 5 bits (lowest first, bit 5 says
that more follow, the last group's bit 4 is the sign, + 48 makes it printable), from the fourth count on as the
difference to the count two before (pycocotools, ``common/maskApi.c``).

The counts of N RLEs lie end to end in one array (K,) int64; RLE i has ``counts[splits[i]:splits[i + 1]]``. Windows are
half-open ``boxes`` (N, 4) xyxy, ``starts`` and ``bits`` as :class:`InstanceMasks` keeps them.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from .json_file import LISTED, short, whole
from .ragged import offsets, ragged_arange

_MAX_GROUPS = 12  # 60 bits; a longer number cannot be a count


def rle_problem(rle: Any, size: tuple[int, int] | None) -> str | None:
    """What keeps this from being an RLE of ``size`` (h, w), its counts not looked at."""
    if not isinstance(rle, Mapping) or 'size' not in rle or 'counts' not in rle:
        return f'segmentation {short(rle)}, expected an RLE with size and counts'
    found = rle['size']
    if not isinstance(found, LISTED) or len(found) != 2 or not all(map(whole, found)):
        return f'RLE size {short(found)}, expected [height, width]'
    if size and tuple(found) != tuple(size):
        return f'RLE size {list(found)}, expected {list(size)} of the image'
    if not isinstance(rle['counts'], (str, bytes, *LISTED)):
        return f'RLE counts of type {type(rle["counts"]).__name__}, expected a string'
    return None


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
    counts = np.add.reduceat((code & 31).astype(np.int64) << (5 * place), begins)
    counts -= ((code[stops - 1] & 16) > 0).astype(np.int64) << (5 * np.minimum(groups, _MAX_GROUPS))
    lengths = np.diff(splits)
    index = ragged_arange(lengths)
    for parity in (0, 1):  # counts 1, 3, 5, … are one chain of differences, 2, 4, 6, … the other
        chain = (index % 2 == parity) & (index > 0)
        sums = offsets(np.where(chain, counts, 0))
        counts = np.where(chain, sums[1:] - np.repeat(sums[splits[:-1]], lengths), counts)
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
        counts, splits, and what is wrong with the broken ones by index; these have counts of 0.
    """
    problems: dict[int, str] = {}
    strings, areas = [rle['counts'] for rle in rles], sizes.prod(1)
    for i, found in enumerate(strings):
        if not isinstance(found, str | bytes):
            runs: list[Any] = list(found) if isinstance(found, LISTED) else [None]
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


def read_rles(rles: Sequence[Mapping], height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts and splits of COCO dicts whose ``counts`` are compressed (str, bytes) or a list of ints. ``ValueError``
    names the index of an RLE of another size than h×w or whose counts do not add up to it."""
    for i, rle in enumerate(rles):
        if problem := rle_problem(rle, (height, width)):
            raise ValueError(f'RLE {i}: {problem}')
    counts, splits, problems = decode_rles(rles, np.full((len(rles), 2), (height, width)))
    for i in sorted(problems)[:1]:
        raise ValueError(f'RLE {i}: {problems[i]}')
    return counts, splits


def counts_to_strings(counts: np.ndarray, splits: np.ndarray) -> list[bytes]:
    """Compress the counts of N RLEs."""
    values = np.array(counts, np.int64)
    later = np.flatnonzero(ragged_arange(np.diff(splits)) > 2)
    values[later] -= counts[later - 2]
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
    text = code.tobytes()
    return [text[a:b] for a, b in pairwise(begins[splits].tolist())]


def foreground(counts: np.ndarray, splits: np.ndarray, height: int | np.ndarray) -> tuple[np.ndarray, ...]:
    """Tight boxes (N, 4) int64 xyxy, zeros for an empty mask, of valid RLEs of one height or a height each (N,).

    And of the foreground runs, in order, the RLE, the length, and x and y of the first px, each (R,) int64.
    """
    number, lengths, sums = len(splits) - 1, np.diff(splits), offsets(counts)
    runs = np.flatnonzero((ragged_arange(lengths) % 2 == 1) & (counts > 0))
    owner, length = np.repeat(np.arange(number), lengths)[runs], counts[runs]
    begin, high = sums[runs] - sums[splits[owner]], np.broadcast_to(height, number)[owner]
    x, y = np.divmod(begin, high)
    x_last, y_last = np.divmod(begin + length - 1, high)
    wraps = x_last > x  # such a run holds the last pixel of one column and the first of the next
    boxes = np.zeros((number, 4), np.int64)
    heads = np.flatnonzero(np.diff(owner, prepend=-1))
    if len(heads):
        named = owner[heads]
        boxes[named, 0] = x[heads]
        boxes[named, 1] = np.minimum.reduceat(np.where(wraps, 0, y), heads)
        boxes[named, 2] = np.maximum.reduceat(x_last, heads) + 1
        boxes[named, 3] = np.maximum.reduceat(np.where(wraps, high - 1, y_last), heads) + 1
    return boxes, owner, length, x, y


def fill_runs(begin: np.ndarray, length: np.ndarray, total: int) -> np.ndarray:
    """``total`` uint8 of which those of the runs, which do not overlap, are 1."""
    change = np.zeros(total + 1, np.int8)
    change[begin] += 1
    change[begin + length] -= 1
    return np.cumsum(change[:-1], dtype=np.int8).view(np.uint8)


def _transposed(bits: np.ndarray, starts: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Each window of (rows, columns) ``shape`` (N, 2) rewritten column by column."""
    ends = starts.tolist()
    windows = [bits[a:b].reshape(s).T.ravel() for a, b, s in zip(ends, ends[1:], shape.tolist()) if b > a]
    return np.concatenate(windows) if windows else np.zeros(0, bits.dtype)


def counts_to_windows(counts: np.ndarray, splits: np.ndarray, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tight windows of RLEs that are known to be valid: boxes (N, 4) int32, starts (N + 1,) int64, bits uint8."""
    boxes, owner, length, x, y = foreground(counts, splits, height)
    wide, high = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    starts = offsets(wide * high)
    # A run that wraps has a window of full height, so in a window read by columns every run is one piece.
    first = starts[owner] + (x - boxes[owner, 0]) * high[owner] + y - boxes[owner, 1]
    columns = fill_runs(first, length, starts[-1])
    return boxes.astype(np.int32), starts, _transposed(columns, starts, np.stack([wide, high], axis=1))


def windows_to_counts(
    boxes: np.ndarray, starts: np.ndarray, bits: np.ndarray, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Counts and splits of the full h×w masks whose windows these are; every bit but 0 is foreground."""
    corner, size = boxes[:, :2].astype(np.int64), (boxes[:, 2:] - boxes[:, :2]).astype(np.int64)
    (x0, y0), (wide, high) = corner.T, size.T
    columns = _transposed(bits, starts, np.stack([high, wide], axis=1)) != 0
    cut = np.zeros(len(columns), bool)  # a column begins here, or a run within it
    cut[np.repeat(starts[:-1], wide) + ragged_arange(wide) * np.repeat(high, wide)] = True
    cut[1:] |= columns[1:] != columns[:-1]
    pieces = np.append(np.flatnonzero(cut), len(columns))
    first, stop = np.stack([pieces[:-1], pieces[1:]])[:, columns[pieces[:-1]]]
    owner = np.searchsorted(starts, first, side='right') - 1
    column, row = np.divmod(first - starts[owner], high[owner])
    begin = (column + x0[owner]) * height + row + y0[owner]
    end = begin + stop - first
    # Runs of neighbouring columns touch only if the window has the full height.
    joined = np.flatnonzero((end[:-1] == begin[1:]) & (owner[:-1] == owner[1:]))
    begin, owner, end = np.delete(begin, joined + 1), np.delete(owner, joined + 1), np.delete(end, joined)
    runs = np.bincount(owner, minlength=len(boxes))
    filled, edges = np.flatnonzero(runs), offsets(runs)
    before = np.append(0, end)[: len(end)]
    before[edges[filled]] = 0
    rest = np.full(len(boxes), height * width)
    rest[filled] -= end[edges[filled + 1] - 1]
    follows = (rest > 0) | (runs == 0)
    counts = np.stack([begin - before, end - begin], axis=1).ravel()
    return np.insert(counts, 2 * edges[1:][follows], rest[follows]), offsets(2 * runs + follows)
