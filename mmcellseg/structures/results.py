"""The predictions file, a COCO results list with RLE masks: written, and read whole or image by image."""

import json
import os
import re
import tempfile
import weakref
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from .files import atomic_open
from .json_file import parse_json, read_file, short, whole
from .ragged import positions
from .results_rules import Violation
from .rle import counts_to_strings

Entry = dict[str, Any]

_SHOWN = 5  # violations in one message


class ResultsError(ValueError):
    """A predictions file that cannot be used; the message names the file and the entry."""


def refuse(path: str | os.PathLike, violations: Sequence[Violation], outcome: str) -> None:
    """Raise ``ResultsError`` with the first of the violations, unless there are none."""
    if violations:
        more = [f'… and {len(violations) - _SHOWN} more'] if len(violations) > _SHOWN else []
        raise ResultsError('\n'.join([f'{path}: {outcome}', *map(str, violations[:_SHOWN]), *more]))


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


def dump_results(entries: Iterable[Mapping[str, Any]], file: IO[bytes], name: str | os.PathLike) -> int:
    """``write_results`` into a file that is open; errors name it ``name``."""
    encode, written = json.JSONEncoder(allow_nan=False).encode, 0
    file.write(b'[')
    for written, entry in enumerate(entries, 1):
        try:
            line = encode(_plain(entry))
        except ValueError as error:
            raise ResultsError(f'{name}: entry {written - 1} cannot be written ({error}): {entry}') from error
        file.write(f'{"," if written > 1 else ""}\n{line}'.encode())
    file.write(b'\n]\n' if written else b']\n')
    return written


def write_results(path: str | os.PathLike, entries: Iterable[Mapping[str, Any]]) -> int:
    """Write a predictions file, one entry a line inside a JSON list, and return how many entries it has.

    Floats keep their full precision. ``entries`` may be a generator: the file appears under its name only
    when all are written, and an error leaves an earlier file in place. Raises ``ResultsError`` for a number
    that JSON does not know (NaN, infinity).
    """
    with atomic_open(path) as file:
        return dump_results(entries, file, path)


def parse_results(content: bytes, path: str | os.PathLike) -> list[Entry]:
    """``read_results`` of a file's content; errors name ``path``."""
    entries = parse_json(content, path, ResultsError)
    if not isinstance(entries, list):
        raise ResultsError(f'{path}: expected a JSON list of predictions, found {short(entries)}')
    for i, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise ResultsError(f'{path}: entry {i} is {short(entry)}, expected a prediction')
    return entries


def read_results(path: str | os.PathLike) -> list[Entry]:
    """All entries of a predictions file at once.

    Raises ``ResultsError`` where there is none, or no JSON list of objects in UTF-8 without a byte order mark.
    """
    return parse_results(read_file(path, 'predictions file', ResultsError), path)


Scan = list[tuple[int, int, int]]  # of each entry the first byte, that after its last, and its image id

# A line as write_results writes it; the last one has no comma.
_OUR_LINE = re.compile(rb'\{"image_id": (-?\d{1,18}), [^\n]*\}(,?)\n')


def _scan_ours(path: Path) -> Scan | None:
    """The entries of a file of ours, its lines not decoded; None for any other file."""
    entries: Scan = []
    with path.open('rb') as file:
        if file.read(2) != b'[\n':
            return None
        at, more = 2, True
        for line in file:
            if not more:
                return entries if (line + file.read()).strip() == b']' else None
            found = _OUR_LINE.fullmatch(line)
            if not found:
                return None
            entries.append((at, at + found.start(2), int(found[1])))
            at, more = at + len(line), found[2] == b','
    return None


def _copy_foreign(path: Path, copy: IO[bytes]) -> Scan:
    """Write the entries of a file that is laid out in any way an entry a line, and say where they are."""
    entries: Scan = []
    for i, entry in enumerate(read_results(path)):
        if not whole(entry.get('image_id')):
            raise ResultsError(f'{path}: entry {i} has no integer image_id: {short(entry)}')
        try:
            line = json.dumps(entry).encode()
        except RecursionError:
            raise ResultsError(f'{path}: entry {i} is nested too deeply to be read') from None
        at = copy.tell()
        copy.write(line + b',\n')
        entries.append((at, at + len(line), entry['image_id']))
    copy.flush()
    return entries


class ResultsFile:
    """A predictions file of any size, indexed once and read an image at a time.

    The file may be ours or another program's (which is in memory while it is indexed, and then in a temporary file),
    its entries in any order. Memory holds three integers an entry and one image's entries. Raises ``ResultsError``
    where the file is missing, truncated or no list.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise ResultsError(f'{path}: there is no such predictions file')
        found = _scan_ours(self.path)
        self._file: IO[bytes] = tempfile.TemporaryFile() if found is None else self.path.open('rb')  # noqa: SIM115
        weakref.finalize(self, self._file.close)  # it is open as long as this object lives
        entries = np.array(_copy_foreign(self.path, self._file) if found is None else found, np.int64).reshape(-1, 3)
        self._spans, self._entries = entries[:, :2], positions(entries[:, 2])

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
        for run in np.split(indices, np.flatnonzero(np.diff(indices) != 1) + 1):
            if len(run):
                start, end = self._spans[run[0], 0].item(), self._spans[run[-1], 1].item()
                name = f'{self.path}: the entries from {run[0]} to {run[-1]}'
                text = os.pread(self._file.fileno(), end - start, start)  # processes that fork share the file's place
                found = parse_json(b'[' + text + b']', name, ResultsError)
                if len(found) != len(run):
                    raise ResultsError(f'{name} are {len(found)}: expected an entry a line')
                entries += found
        return entries
