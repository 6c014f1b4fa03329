"""The predictions file: a COCO results list with RLE masks, written, read image by image, and checked."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .files import atomic_open
from .results_check import Entry, Violation, boxes_fit_xyxy, check_entries
from .rle import counts_to_strings

__all__ = [
    'Entry',
    'ResultsError',
    'ResultsFile',
    'Violation',
    'boxes_fit_xyxy',
    'check_entries',
    'read_results',
    'write_results',
]

_CHUNK = 1 << 22
_LONGEST_ENTRY = 1 << 26
_BLANKS = ' \t\r\n'


class ResultsError(ValueError):
    """A predictions file that cannot be used; the message names the file and the entry."""


def _plain(entry: Mapping[str, Any]) -> Entry:
    """The entry in types that JSON knows: Python numbers, lists, and RLE counts as a string."""
    plain = {'image_id': int(entry['image_id']), **{k: v for k, v in entry.items() if k != 'image_id'}}
    plain['category_id'] = int(entry['category_id'])
    plain['score'] = float(entry['score'])
    plain['bbox'] = [float(v) for v in entry['bbox']]
    if 'segmentation' in entry:
        rle = entry['segmentation']
        counts = rle['counts']
        if not isinstance(counts, str | bytes):
            runs = np.array([int(c) for c in counts], np.int64)
            (counts,) = counts_to_strings(runs, np.array([0, len(runs)]))
        if isinstance(counts, bytes):
            counts = counts.decode('ascii')
        plain['segmentation'] = {'size': [int(v) for v in rle['size']], 'counts': counts}
    return plain


def write_results(path: str | os.PathLike, entries: Iterable[Mapping[str, Any]]) -> int:
    """Write a predictions file, one entry a line inside a JSON list, and return how many entries it has.

    Floats keep their full precision. ``entries`` may be a generator: the file appears under its name only
    when all are written, and an error leaves an earlier file in place. Raises ``ResultsError`` for a number
    that JSON does not know (NaN, infinity).
    """
    encode = json.JSONEncoder(allow_nan=False).encode
    written = 0
    with atomic_open(path) as file:
        file.write(b'[')
        for entry in entries:
            try:
                line = encode(_plain(entry))
            except ValueError as error:
                raise ResultsError(f'{path}: entry {written} cannot be written ({error}): {entry}') from error
            file.write((',\n' if written else '\n').encode() + line.encode())
            written += 1
        file.write(b'\n]\n' if written else b']\n')
    return written


def _skip_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANKS:
        at += 1
    return at


# A line as write_results writes it; the last one has no comma.
_OUR_LINE = re.compile(rb'\{"image_id": (-?\d+), [^\n]*\}(,?)\n')


def _scan_ours(path: Path) -> tuple[list[tuple[int, int]], list[int]] | None:
    """Bytes and image id of every entry of a file of ours, its lines not decoded; None for any other file."""
    spans: list[tuple[int, int]] = []
    ids: list[int] = []
    with path.open('rb') as file:
        if file.read(2) != b'[\n':
            return None
        base, rest, more = 2, b'', True
        while True:
            chunk = file.read(_CHUNK)
            text, at = rest + chunk, 0
            while more and (line := _OUR_LINE.match(text, at)):
                spans.append((base + at, base + line.start(2)))
                ids.append(int(line[1]))
                at, more = line.end(), line[2] == b','
            if not chunk:
                return (spans, ids) if not more and text[at:].strip() == b']' else None
            if len(text) - at > _LONGEST_ENTRY:
                return None
            base, rest = base + at, text[at:]


def _scan(path: Path) -> Iterator[tuple[int, int, Any]]:
    """Yield (first byte, byte after the last, value) of each entry of a JSON list, a chunk in memory."""
    decode = json.JSONDecoder().raw_decode
    with path.open('rb') as file:
        # Latin-1 maps bytes to characters one to one: positions in the text are positions in the file.
        text, base, at = file.read(_CHUNK).decode('latin-1'), 0, 0
        if text.startswith('\xef\xbb\xbf'):
            at = 3
        at = _skip_blanks(text, at)
        if text[at : at + 1] != '[':
            found = repr(text[at : at + 40]) if text else 'nothing'
            raise ResultsError(f'{path}: expected a JSON list of predictions, found {found}')
        at += 1
        first = True
        while True:
            at = _skip_blanks(text, at)
            closing = text[at : at + 1] == ']'
            start = at if first else _skip_blanks(text, at + 1)
            try:
                if closing:
                    rest = text[at + 1 :] + file.read(_CHUNK).decode('latin-1')
                    if rest.strip(_BLANKS):
                        raise ResultsError(f'{path}: more text after the end of the list at byte {base + at}')
                    return
                if not first and text[at : at + 1] not in ('', ','):
                    raise ResultsError(f'{path}: expected "," or "]" at byte {base + at}, found {text[at]!r}')
                value, end = decode(text, start)
            except json.JSONDecodeError as error:
                more = file.read(_CHUNK).decode('latin-1') if len(text) - at < _LONGEST_ENTRY else ''
                if not more:
                    raise ResultsError(
                        f'{path}: the list breaks at byte {base + error.pos} ({error.msg}); the file is '
                        'truncated or not JSON: write it again'
                    ) from error
                text, base, at = text[at:] + more, base + at, 0
                continue
            yield base + start, base + end, value
            first, at = False, end


class ResultsFile:
    """A predictions file of any size, indexed once and read an image at a time.

    The file may be ours or another program's, its entries in any order. Memory holds three integers an entry
    and one image's entries. Raises ``ResultsError`` where the file is missing, truncated or no list.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise ResultsError(f'{path}: there is no such predictions file')
        spans, ids = _scan_ours(self.path) or self._scan_foreign(self.path)
        self._spans = np.array(spans, np.int64).reshape(-1, 2)
        order = np.argsort(np.array(ids, np.int64), kind='stable')
        unique, first = np.unique(np.array(ids, np.int64)[order], return_index=True)
        self._entries = dict(zip(unique.tolist(), np.split(order, first[1:]), strict=True)) if ids else {}

    @staticmethod
    def _scan_foreign(path: Path) -> tuple[list[tuple[int, int]], list[int]]:
        spans, ids = [], []
        for index, (start, end, entry) in enumerate(_scan(path)):
            image_id = entry.get('image_id') if isinstance(entry, dict) else None
            if not isinstance(image_id, int) or isinstance(image_id, bool):
                raise ResultsError(f'{path}: entry {index} has no integer image_id: {str(entry)[:80]}')
            spans.append((start, end))
            ids.append(image_id)
        return spans, ids

    @property
    def image_ids(self) -> list[int]:
        """The ids of the images that have entries, ascending."""
        return list(self._entries)

    def __len__(self) -> int:
        """The number of entries."""
        return len(self._spans)

    def indices(self, image_id: int) -> np.ndarray:
        """The positions in the file's list of one image's entries, (N,) ascending."""
        return self._entries.get(image_id, np.zeros(0, np.int64))

    def read(self, image_id: int) -> list[Entry]:
        """The entries of one image in file order; none for an image that the file does not have."""
        indices = self.indices(image_id)
        entries: list[Entry] = []
        with self.path.open('rb') as file:
            for run in np.split(indices, np.flatnonzero(np.diff(indices) != 1) + 1):
                if len(run):
                    start, end = self._spans[run[0], 0], self._spans[run[-1], 1]
                    file.seek(start)
                    try:
                        entries += json.loads(b'[' + file.read(end - start) + b']')
                    except ValueError as error:
                        raise ResultsError(
                            f'{self.path}: the entries from {run[0]} to {run[-1]} are not JSON ({error})'
                        ) from error
        return entries


def read_results(path: str | os.PathLike) -> list[Entry]:
    """All entries of a predictions file at once. Raises ``ResultsError`` as ``ResultsFile`` does."""
    if not Path(path).is_file():
        raise ResultsError(f'{path}: there is no such predictions file')
    try:
        entries = json.loads(Path(path).read_bytes())
    except ValueError as error:
        raise ResultsError(f'{path}: truncated or not JSON ({error}): write the predictions file again') from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ResultsError(f'{path}: expected a JSON list of predictions, found {str(entries)[:40]}')
    return entries
