"""From folders of class TIFFs to COCO json: one pass over each label map, one process an image."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..structures.coco import read_image_ids
from ..structures.files import atomic_write
from ..structures.processes import map_forked
from . import check
from .check import Finding
from .read_folder import TEST, TRAIN, read_test_image, read_training_folder
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
    left_out: int = 0  # training folders without a usable image

    def summary(self) -> str:
        """What was kept and what was left out, and how many findings of each kind."""
        number_of = Counter(a['category_id'] for a in self.train['annotations'])
        classes = ', '.join(f'{c["name"]} {number_of[c["id"]]}' for c in self.train['categories'])
        kinds = Counter(finding.kind for finding in self.findings)
        cells = sum(finding.left_out for finding in self.findings)
        unread = ' besides those of unreadable files' if kinds['unreadable mask'] else ''
        lines = [
            f'kept: {len(self.train["images"])} training images with {number_of.total()} cells ({classes}), '
            f'{len(self.test["images"]) if self.test else 0} test images',
            f'left out: {self.left_out} training images, {kinds["shape"] + kinds["unreadable mask"]} class files of '
            f'others, {cells} cells{unread}',
            'findings: ' + (', '.join(f'{n} {kind}' for kind, n in sorted(kinds.items())) or 'none'),
        ]
        return '\n'.join([*lines, *(f'note: {note}' for note in self.notes)])


def read_dataset(
    source: Path, classes: Sequence[str] = CLASSES, ids_file: Path | None = None, workers: int = 1
) -> Conversion:
    """Read the folders and the id file (default: the one in ``source``) into COCO jsons, whatever ``workers``.

    Image ids of the training images follow the sorted folder names from 1; annotation ids follow images,
    classes and instance ids from 1. Raises ``ValueError`` or ``FileNotFoundError`` if there are no training
    folders or a named id file is missing or broken.
    """
    if len(set(classes)) != len(classes) or not classes:
        raise ValueError(f'the class names must be given and differ from each other, got {list(classes)}')
    # MMDetection's coco_error_analysis.py asks for the supercategory.
    categories = [{'id': i, 'name': name, 'supercategory': 'cell'} for i, name in enumerate(classes, start=1)]
    if not (source / TRAIN).is_dir():
        raise FileNotFoundError(f'{source}: expected {TRAIN}/<name>/image.tif and class1.tif …, found no {TRAIN}/')
    ids_path = ids_file or source / IDS
    test_entries = read_image_ids(ids_path) if ids_file or ids_path.is_file() else None
    entries = sorted(os.listdir(source / TRAIN))
    folders = [name for name in entries if (source / TRAIN / name).is_dir()]
    if not folders:
        raise FileNotFoundError(f'{source / TRAIN}: expected folders with image.tif and class1.tif …, found none')
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    findings = check.check_names('', os.listdir(source), [TRAIN, TEST, IDS, 'annotations'])
    findings += check.check_names(TRAIN, entries, folders)
    conversion = Conversion({'images': images, 'annotations': annotations, 'categories': categories}, None, findings)
    digests: list[tuple[str, str]] = []
    reads = map_forked(partial(read_training_folder, source, classes), folders, workers)
    for read in tqdm(reads, 'training images', len(folders), unit='image'):
        findings += read.findings
        if read.image is None:
            conversion.left_out += 1
            continue
        images.append({'id': len(images) + 1, **read.image})
        digests.append((read.image['file_name'], read.digest))
        annotations += [
            {'id': number, 'image_id': len(images), **annotation}
            for number, annotation in enumerate(read.annotations, start=len(annotations) + 1)
        ]
    present = os.listdir(source / TEST) if (source / TEST).is_dir() else []
    if test_entries is None:
        conversion.notes.append(f'no {IDS} in {source}: no test.json was made')
        if present:
            text = f'{len(present)} files, but no id file gives them ids; left out'
            findings.append(Finding('test images without ids', TEST, text=text))
    else:
        listed = [{**entry, 'file_name': f'{TEST}/{entry["file_name"]}'} for entry in test_entries]
        conversion.test = {'images': listed, 'annotations': [], 'categories': categories}
        findings += check.check_names(TEST, present, [entry['file_name'].split('/')[0] for entry in test_entries])
        if present:
            reads = map_forked(partial(read_test_image, source), test_entries, workers)
            for read, image in zip(tqdm(reads, 'test images', len(listed), unit='image'), listed):
                findings += read.findings
                if read.digest:
                    digests.append((image['file_name'], read.digest))
        else:
            conversion.notes.append(
                f'no images in {source / TEST}: the {len(test_entries)} images of test.json come from {ids_path} alone'
            )
    findings += check.check_duplicates(digests)
    return conversion


def write_conversion(conversion: Conversion, out: Path) -> list[Path]:
    """Write annotations/train.json and test.json under ``out`` and return their paths."""
    parts = {'train': conversion.train, 'test': conversion.test}
    return [atomic_write(out / f'annotations/{name}.json', json.dumps(coco)) for name, coco in parts.items() if coco]


def write_findings(findings: Iterable[Finding], out: Path) -> Path:
    """Write every finding as a line of annotations/findings.tsv under ``out`` and return its path."""
    rows = [Finding._fields, *findings]
    text = ''.join('\t'.join(printable(' '.join(str(v).split())) for v in row) + '\n' for row in rows)
    return atomic_write(out / 'annotations' / 'findings.tsv', text)
