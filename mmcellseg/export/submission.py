"""The submission: a zip of exactly one predictions file, checked before it takes the place of an earlier one."""

import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ..data.image_ids import read_image_ids
from ..structures.files import atomic_open
from ..structures.results import Violation, boxes_fit_xyxy, check_entries, read_results, write_results
from ..structures.results_check import mask_extents
from ..structures.run_files import RESULTS_NAME

CATEGORY_IDS = (1, 2, 3, 4)
WHOLE_FILE = -1  # index of a violation that is the file's and no entry's


class SubmissionError(ValueError):
    """A predictions file that may not be submitted; ``violations`` are all that is wrong with it."""

    def __init__(self, path: str | os.PathLike, violations: Sequence[Violation]) -> None:
        self.violations = list(violations)
        lines = '\n'.join(describe(violation) for violation in violations)
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


def describe(violation: Violation) -> str:
    """A violation in one line."""
    if violation.index == WHOLE_FILE:
        return f'the file: {violation.problem}'
    return f'entry {violation.index} (image {violation.image_id}): {violation.problem}'


def empty_masks(entries: Sequence[Any]) -> list[int]:
    """Indices of the entries whose RLE decodes to a mask without a pixel; malformed entries are not among them."""
    judged = [
        i
        for i, entry in enumerate(entries)
        if isinstance(entry, dict)
        and isinstance(rle := entry.get('segmentation'), dict)
        and isinstance(rle.get('counts'), str | bytes)
        and isinstance(size := rle.get('size'), list | tuple)
        and [type(side) for side in size] == [int, int]
    ]
    boxes, problems = mask_extents([entries[i]['segmentation'] for i in judged])
    # A broken RLE has a box of zeros too, but says another problem.
    return [i for i, box, problem in zip(judged, boxes, problems) if not box.any() and 'empty' in (problem or '')]


@contextmanager
def _results_file(path: Path) -> Iterator[tuple[Path, list[Violation]]]:
    """The predictions file of a path that may be a zip of it, and what is wrong with the zip."""
    if not zipfile.is_zipfile(path):
        yield path, []
        return
    with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
        names, content, wrong = archive.namelist(), b'[]', []
        if names != [RESULTS_NAME]:
            text = f'the zip holds {names or "nothing"}, expected exactly one file {RESULTS_NAME!r}'
            wrong = [Violation(WHOLE_FILE, None, text)]
        if RESULTS_NAME in names:
            try:
                content = archive.read(RESULTS_NAME)
            except (zipfile.BadZipFile, zlib.error) as error:
                wrong.append(Violation(WHOLE_FILE, None, f'the zip is damaged: {error}'))
        target = Path(folder) / RESULTS_NAME
        target.write_bytes(content)
        yield target, wrong


def _check(entries: Sequence[Any], images: dict[int, tuple[int, int]], category_ids: Iterable[int]) -> list[Violation]:
    violations = check_entries(entries, images, category_ids)
    for i, entry in enumerate(entries):  # the scoring reads strings alone
        if isinstance(rle := entry.get('segmentation'), dict) and isinstance(rle.get('counts'), list):
            text = 'the RLE counts are a list, expected the compressed string (pycocotools.mask.frPyObjects makes it)'
            violations.append(Violation(i, entry.get('image_id'), text))
    violations.sort(key=lambda violation: violation.index)
    if boxes_fit_xyxy(entries):
        text = 'the boxes fit the masks better as x0, y0, x1, y1 than as x, y, width, height: convert them'
        violations.insert(0, Violation(WHOLE_FILE, None, text))
    return violations


def _image_sizes(ids_file: str | os.PathLike) -> dict[int, tuple[int, int]]:
    return {entry['id']: (entry['height'], entry['width']) for entry in read_image_ids(ids_file)}


def validate_submission(
    path: str | os.PathLike, ids_file: str | os.PathLike, category_ids: Iterable[int] = CATEGORY_IDS
) -> list[Violation]:
    """All that is wrong with a predictions file, or with a zip of one; empty masks are wrong too.

    Raises ``ValueError`` (``ResultsError``) if the file is no JSON list or ``ids_file`` is no list of images.
    """
    images = _image_sizes(ids_file)
    with _results_file(Path(path)) as (file, wrong):
        return wrong + _check(read_results(file), images, category_ids)


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
    images = _image_sizes(ids_file)
    with _results_file(Path(results_path)) as (file, wrong), tempfile.TemporaryDirectory() as folder:
        entries = read_results(file)
        empty = set(empty_masks(entries)) if drop_empty else set()
        kept = [i for i in range(len(entries)) if i not in empty]
        chosen = [entries[i] for i in kept]
        for violation in _check(chosen, images, category_ids):
            index = violation.index if violation.index == WHOLE_FILE else kept[violation.index]
            wrong.append(violation._replace(index=index))
        if wrong:
            raise SubmissionError(results_path, wrong)
        if empty:
            file = Path(folder) / RESULTS_NAME
            write_results(file, chosen)
        # A fixed date: the same predictions give the same bytes.
        info = zipfile.ZipInfo(RESULTS_NAME, date_time=(1980, 1, 1, 0, 0, 0))
        info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
        with (
            atomic_open(zip_path) as target,
            zipfile.ZipFile(target, 'w') as archive,
            archive.open(info, 'w') as inside,
            file.open('rb') as source,
        ):
            shutil.copyfileobj(source, inside)
        sizes = (Path(zip_path).stat().st_size, file.stat().st_size)
    with_entries = len({entry['image_id'] for entry in chosen})
    return Submission(Path(zip_path), *sizes, len(chosen), with_entries, len(images), len(empty))
