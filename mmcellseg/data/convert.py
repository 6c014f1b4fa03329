"""From folders of class TIFFs to COCO json: one pass over each label map, one process an image."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..structures.coco import read_image_ids
from ..structures.files import atomic_write
from . import check
from .check import Finding
from .read_folder import TEST, TRAIN, ReadImage, read_test_image, read_training_folder
from .tiff import printable

CLASSES = ('class1', 'class2', 'class3', 'class4')
IDS = 'test_image_name_to_ids.json'


@dataclass
class Conversion:
    """Both jsons (``test`` is None without an id file), all findings, and notes that are no fault of the data."""

    train: dict[str, Any]
    test: dict[str, Any] | None
    findings: list[Finding]
    notes: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)  # training folders without a usable image

    def summary(self) -> str:
        """What was kept and what was left out, and how many findings of each kind."""
        names = {category['id']: category['name'] for category in self.train['categories']}
        counts = Counter(names[a['category_id']] for a in self.train['annotations'])
        classes = ', '.join(f'{name} {counts[name]}' for name in names.values())
        lines = [
            f'kept: {len(self.train["images"])} training images with {counts.total()} cells ({classes}), '
            f'{len(self.test["images"]) if self.test else 0} test images'
        ]
        kinds = Counter(finding.kind for finding in self.findings)
        cells = sum(finding.left_out for finding in self.findings)
        files = kinds['shape'] + kinds['unreadable mask']
        unread = ' besides those of unreadable files' if kinds['unreadable mask'] else ''
        lines.append(
            f'left out: {len(self.left_out)} training images, {files} class files of others, {cells} cells{unread}'
        )
        lines.append('findings: ' + (', '.join(f'{n} {kind}' for kind, n in sorted(kinds.items())) or 'none'))
        return '\n'.join([*lines, *(f'note: {note}' for note in self.notes)])


def _parallel(work: Callable, items: Sequence, workers: int, text: str) -> Iterable[ReadImage]:
    """``map(work, items)`` in processes, in the order of the items, with a progress bar."""
    bar = partial(tqdm, total=len(items), desc=text, unit='image', disable=not items)
    if workers <= 1 or len(items) <= 1:
        yield from bar(map(work, items))
        return
    done = 0
    with ProcessPoolExecutor(min(workers, len(items)), mp_context=get_context('fork')) as pool:
        try:
            for result in bar(pool.map(work, items)):
                yield result
                done += 1
        except BrokenProcessPool:
            raise ChildProcessError(
                f'a process died while reading the {text} after number {done} of {len(items)}: as a rule it was killed '
                'because memory was full (use fewer --workers), or a decoder crashed on a damaged file (--workers 1 '
                'reads one after the other)'
            ) from None


def _categories(classes: Sequence[str]) -> list[dict[str, Any]]:
    if len(set(classes)) != len(classes) or not classes:
        raise ValueError(f'the class names must be given and differ from each other, got {list(classes)}')
    # MMDetection's coco_error_analysis.py asks for the supercategory.
    return [{'id': number, 'name': name, 'supercategory': 'cell'} for number, name in enumerate(classes, start=1)]


def read_dataset(
    source: Path, classes: Sequence[str] = CLASSES, ids_file: Path | None = None, workers: int = 1
) -> Conversion:
    """Read the folders and the id file (default: the one in ``source``) into COCO jsons, whatever ``workers``.

    Image ids of the training images follow the sorted folder names from 1; annotation ids follow images,
    classes and instance ids from 1. Raises ``ValueError`` or ``FileNotFoundError`` if there are no training
    folders or a named id file is missing or broken.
    """
    categories = _categories(classes)
    if not (source / TRAIN).is_dir():
        raise FileNotFoundError(f'{source}: expected {TRAIN}/<name>/image.tif and class1.tif …, found no {TRAIN}/')
    ids_path = ids_file or source / IDS
    test_entries = read_image_ids(ids_path) if ids_file or ids_path.is_file() else None
    entries = sorted(os.listdir(source / TRAIN))
    folders = [name for name in entries if (source / TRAIN / name).is_dir()]
    if not folders:
        raise FileNotFoundError(f'{source / TRAIN}: expected folders with image.tif and class1.tif …, found none')
    train: dict[str, Any] = {'images': [], 'annotations': [], 'categories': categories}
    findings = check.check_names('', os.listdir(source), [TRAIN, TEST, IDS, 'annotations'])
    conversion = Conversion(train, None, findings + check.check_names(TRAIN, entries, folders))
    digests: list[tuple[str, str]] = []
    read_one = partial(read_training_folder, source, classes)
    for read, name in zip(_parallel(read_one, folders, workers, 'training images'), folders):
        conversion.findings += read.findings
        if read.image is None:
            conversion.left_out.append(name)
            continue
        image_id = len(train['images']) + 1
        train['images'].append({'id': image_id, **read.image})
        digests.append((read.image['file_name'], read.digest))
        for annotation in read.annotations:
            numbers = {'id': len(train['annotations']) + 1, 'image_id': image_id}
            train['annotations'].append({**numbers, **annotation})
    if test_entries is not None and not any((source / TEST).glob('*')):
        conversion.notes.append(
            f'no images in {source / TEST}: the {len(test_entries)} images of test.json come from {ids_path} alone'
        )
    _read_test(source, test_entries, workers, conversion, digests)
    conversion.findings += check.check_duplicates(digests)
    return conversion


def _read_test(
    source: Path, entries: list[dict] | None, workers: int, conversion: Conversion, digests: list[tuple[str, str]]
) -> None:
    """Add ``test`` to the conversion, and the digests of the test images that are here."""
    present = os.listdir(source / TEST) if (source / TEST).is_dir() else []
    if entries is None:
        conversion.notes.append(f'no {IDS} in {source}: no test.json was made')
        if present:
            text = f'{len(present)} files, but no id file gives them ids; left out'
            conversion.findings.append(Finding('test images without ids', TEST, '', '', text))
        return
    conversion.test = {
        'images': [{**e, 'file_name': f'{TEST}/{e["file_name"]}'} for e in entries],
        'annotations': [],
        'categories': conversion.train['categories'],
    }
    conversion.findings += check.check_names(TEST, present, [e['file_name'].split('/')[0] for e in entries])
    if not present:
        return
    for read, entry in zip(_parallel(partial(read_test_image, source), entries, workers, 'test images'), entries):
        conversion.findings += read.findings
        if read.digest:
            digests.append((f'{TEST}/{entry["file_name"]}', read.digest))


def write_conversion(conversion: Conversion, out: Path) -> list[Path]:
    """Write annotations/train.json and test.json under ``out`` and return their paths."""
    written = [atomic_write(out / 'annotations' / 'train.json', json.dumps(conversion.train))]
    if conversion.test is not None:
        written.append(atomic_write(out / 'annotations' / 'test.json', json.dumps(conversion.test)))
    return written


def write_findings(findings: Iterable[Finding], out: Path) -> Path:
    """Write every finding as a line of annotations/findings.tsv under ``out`` and return its path."""
    rows = [Finding._fields, *findings]
    text = ''.join('\t'.join(printable(' '.join(str(v).split())) for v in row) + '\n' for row in rows)
    return atomic_write(out / 'annotations' / 'findings.tsv', text)
