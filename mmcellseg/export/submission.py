"""The submission: a zip of exactly one predictions file, checked before it takes the place of an earlier one."""

import io
import os
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ..structures.coco import read_image_ids
from ..structures.files import atomic_open
from ..structures.json_file import short
from ..structures.results import Entry, ResultsError, dump_results, parse_results
from ..structures.results_rules import EMPTY_MASK, WHOLE_FILE, Violation, examine
from ..structures.run_files import RESULTS_NAME

CATEGORY_IDS = (1, 2, 3, 4)
_NO_ENTRY = 'there is not one prediction with a mask, and pycocotools reads no empty list'

# Real predictions shrink to a fourth or fifth, equal squares on a grid with equal scores to a 23rd: what is 100 times
# its zip is no list of predictions, and unpacking it may take all memory.
_MOST_RATIO = 100
_SMALL = 10**6  # bytes that may have any ratio
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # zipfile unpacks others at one go, whatever size they declare
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError)


class SubmissionError(ValueError):
    """A predictions file that may not be submitted; ``violations`` are all that is wrong with it."""

    def __init__(self, path: str | os.PathLike, violations: Sequence[Violation]) -> None:
        self.violations = list(violations)
        lines = '\n'.join(map(str, violations))
        super().__init__(f'{path}: {len(violations)} violations, no zip was written\n{lines}')


class Submission(NamedTuple):
    """A zip that was written: its path and bytes, those of the file in it, and how many entries and images."""

    path: Path
    zip_bytes: int
    json_bytes: int
    entries: int
    images_with_entries: int
    images: int
    dropped_empty: int

    def __str__(self) -> str:
        return (
            f'{self.path}: {self.zip_bytes / 1e6:.2f} MB ({RESULTS_NAME}: {self.json_bytes / 1e6:.2f} MB), '
            f'{self.entries} predictions on {self.images_with_entries} of {self.images} images, '
            f'{self.dropped_empty} with an empty mask left out'
        )


def _unpacked(path: Path) -> bytes:
    """The content of the predictions file of a path that may be a zip of it."""
    if not path.is_file():
        raise ResultsError(f'{path}: there is no such predictions file')
    if not zipfile.is_zipfile(path):
        return path.read_bytes()
    most = max(_MOST_RATIO * path.stat().st_size, _SMALL)
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.namelist() != [RESULTS_NAME]:
                problem = f'the zip holds {short(archive.namelist())}, expected exactly one file {RESULTS_NAME!r}'
            elif (info := archive.infolist()[0]).compress_type not in _METHODS:
                problem = f'the zip is packed by method {info.compress_type}, expected deflate: zip the file again'
            elif info.file_size > most:
                problem = (
                    f'{RESULTS_NAME} in it has {info.file_size} bytes, expected at most {most}: no list of '
                    f'predictions shrinks to less than a {_MOST_RATIO}th, so it was not unpacked'
                )
            else:
                with archive.open(info) as file:  # in steps: a step unpacks as much as is asked for, at the most
                    return b''.join(iter(partial(file.read, 1 << 16), b''))
    except _ZIP_ERRORS as error:
        problem = f'the zip is damaged or encrypted ({error}): zip the predictions file again'
    raise ResultsError(f'{path}: {problem}')


def _check(
    path: str | os.PathLike, ids_file: str | os.PathLike, category_ids: Iterable[int]
) -> tuple[bytes, list[Entry], list[Violation], int]:
    """A predictions file's bytes and entries, all that is wrong with it, and the number of images it may be of."""
    images = {entry['id']: (entry['height'], entry['width']) for entry in read_image_ids(ids_file)}
    content = _unpacked(Path(path))
    entries = parse_results(content, path)
    violations, forms = examine(entries, images, category_ids)
    wrong = []
    if forms.sum() < 0:
        wrong.append('the boxes fit the masks better as x0, y0, x1, y1 than as x, y, width, height: convert them')
    if not entries:
        wrong.append(_NO_ENTRY)
    elif 'caption' in entries[0]:
        wrong.append('its first entry has a caption, and pycocotools takes the file for captions: leave it out')
    return content, entries, [Violation(WHOLE_FILE, None, text) for text in wrong] + violations, len(images)


def validate_submission(
    path: str | os.PathLike, ids_file: str | os.PathLike, category_ids: Iterable[int] = CATEGORY_IDS
) -> list[Violation]:
    """All that is wrong with a predictions file, or with a zip of one; empty masks are wrong too.

    Raises ``ValueError`` (``ResultsError``, ``CocoError``) if the file is no JSON list or cannot be unpacked, or
    ``ids_file`` is no list of images.
    """
    return _check(path, ids_file, category_ids)[2]


def write_submission(
    results_path: str | os.PathLike,
    ids_file: str | os.PathLike,
    zip_path: str | os.PathLike,
    category_ids: Iterable[int] = CATEGORY_IDS,
    drop_empty: bool = True,
) -> Submission:
    """Check a predictions file and zip it as ``test-results.json``.

    With ``drop_empty`` entries with an empty mask are left out first, and counted. Raises ``SubmissionError``
    with all violations, by the index in ``results_path``; an earlier zip stays then.
    """
    content, entries, wrong, images = _check(results_path, ids_file, category_ids)
    empty = {violation.index for violation in wrong if drop_empty and violation.rule == EMPTY_MASK}
    wrong = [violation for violation in wrong if violation.index not in empty]
    if empty and len(empty) == len(entries):
        wrong.append(Violation(WHOLE_FILE, None, _NO_ENTRY))
    if wrong:
        raise SubmissionError(results_path, wrong)
    if empty:
        entries = [entry for i, entry in enumerate(entries) if i not in empty]
        dump_results(entries, buffer := io.BytesIO(), results_path)
        content = buffer.getvalue()
    # A fixed date: the same predictions give the same bytes.
    info = zipfile.ZipInfo(RESULTS_NAME, date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    with atomic_open(zip_path) as target, zipfile.ZipFile(target, 'w') as archive:
        archive.writestr(info, content)
    zip_bytes, with_entries = Path(zip_path).stat().st_size, len({entry['image_id'] for entry in entries})
    return Submission(Path(zip_path), zip_bytes, len(content), len(entries), with_entries, images, len(empty))
