"""From folders of class TIFFs to COCO json: one pass over each label map, one process an image."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from ..structures.box_masks import BoxMasks
from ..structures.files import atomic_write
from . import check
from .check import Finding, LabelledCells
from .image_ids import read_image_ids
from .tiff import read_image, read_values

CLASSES = ('class1', 'class2', 'class3', 'class4')
TRAIN, TEST, IDS = 'train', 'test_release', 'test_image_name_to_ids.json'


class ReadImage(NamedTuple):
    """What a worker found of one image; ``image`` is None if it cannot be used, ``digest`` is of its pixels."""

    image: dict[str, Any] | None
    annotations: list[dict[str, Any]]
    findings: list[Finding]
    digest: str


@dataclass
class Conversion:
    """Both jsons (``test`` is None without an id file), all findings, and notes that are no fault of the data."""

    train: dict[str, Any]
    test: dict[str, Any] | None
    findings: list[Finding]
    notes: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """What was kept and what was left out, and how many findings of each kind."""
        names = {category['id']: category['name'] for category in self.train['categories']}
        counts = Counter(names[a['category_id']] for a in self.train['annotations'])
        classes = ', '.join(f'{name} {counts[name]}' for name in names.values())
        lines = [
            f'kept: {len(self.train["images"])} training images with {counts.total()} cells ({classes}), '
            f'{len(self.test["images"]) if self.test else 0} test images'
        ]
        images = sum(finding.kind in LEAVES_OUT_IMAGE for finding in self.findings)
        cells = sum(finding.left_out for finding in self.findings)
        lines.append(f'left out: {images} images, {cells} cells or values that are no cell')
        kinds = Counter(finding.kind for finding in self.findings)
        lines.append('findings: ' + (', '.join(f'{n} {kind}' for kind, n in sorted(kinds.items())) or 'none'))
        return '\n'.join([*lines, *(f'note: {note}' for note in self.notes)])


LEAVES_OUT_IMAGE = ('no image', 'unreadable image')


def to_annotations(cells: LabelledCells, category_id: int) -> list[dict[str, Any]]:
    """COCO annotations of one class of an image, by ascending id, without ``id`` and ``image_id``."""
    boxes = cells.masks.tight_boxes()
    sides = boxes[:, 2:] - boxes[:, :2]
    return [
        {
            'category_id': category_id,
            'bbox': [*corner, *side],
            'area': area,
            'iscrowd': 0,
            'segmentation': {'size': rle['size'], 'counts': rle['counts'].decode()},
        }
        for corner, side, area, rle in zip(
            boxes[:, :2].tolist(), sides.tolist(), cells.masks.areas.tolist(), cells.masks.to_rles()
        )
    ]


def read_class(
    path: Path, file: str, category: str, image_shape: tuple[int, int]
) -> tuple[LabelledCells | None, list[Finding]]:
    """Read one class file; None for the cells if none of them can be used."""
    try:
        values = read_values(path)
    except (ValueError, OSError) as error:
        return None, [Finding('unreadable mask', file, category, '', str(error))]
    values = values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values
    if values.ndim != 2 or values.dtype.kind not in 'biuf':
        text = f'shape {values.shape}, {values.dtype}, expected one number a pixel; none of its cells is read'
        return None, [Finding('unreadable mask', file, category, '', text)]
    if findings := check.check_shape(values, image_shape, file, category):
        return None, findings
    label_map, findings = check.integer_ids(values, file, category)
    ids, masks = BoxMasks.from_label_map(label_map)
    cells = LabelledCells(file, category, ids, masks)
    return cells, findings + check.check_cells(cells)


def read_pixels(path: Path, file: str) -> tuple[tuple[int, int] | None, str, list[Finding]]:
    """The (height, width) of an image and a digest of its pixels; None and a finding if it cannot be read."""
    findings = []
    try:
        pixels = read_image(path)
    except (ValueError, OSError) as error:
        try:  # whether a rule for the values is all that it lacks
            pixels = read_image(path, scale='percentile')
        except (ValueError, OSError):
            return None, '', [Finding('unreadable image', file, '', '', str(error))]
        findings.append(Finding('image needs a scale rule', file, '', '', str(error)))
    digest = hashlib.blake2b(repr(pixels.shape).encode() + pixels.tobytes(), digest_size=16)
    return pixels.shape[:2], digest.hexdigest(), findings


def read_training_folder(source: Path, classes: Sequence[str], name: str) -> ReadImage:
    """Convert ``train/<name>`` of the source."""
    folder, file = source / TRAIN / name, f'{TRAIN}/{name}/image.tif'
    class_files = [f'class{number}.tif' for number in range(1, len(classes) + 1)]
    names = os.listdir(folder)
    findings = check.check_names(f'{TRAIN}/{name}', names, ['image.tif', *class_files])
    if 'image.tif' not in names:
        text = f'the folder holds {", ".join(sorted(names)) or "nothing"}; left out'
        return ReadImage(None, [], [*findings, Finding('no image', file, '', '', text)], '')
    shape, digest, found = read_pixels(folder / 'image.tif', file)
    findings += found
    if shape is None:
        return ReadImage(None, [], findings, '')
    annotations, labelled = [], []
    for number, (class_file, category) in enumerate(zip(class_files, classes), start=1):
        if class_file in names:
            class_path = f'{TRAIN}/{name}/{class_file}'
            cells, found = read_class(folder / class_file, class_path, category, shape)
            findings += found
            if cells is not None:
                labelled.append(cells)
                annotations += to_annotations(cells, number)
    if not set(class_files) & set(names):
        text = 'the folder holds no class file; kept as an image without cells'
        findings.append(Finding('no class', file, '', '', text))
    findings += check.check_overlaps(labelled)
    return ReadImage({'file_name': file, 'height': shape[0], 'width': shape[1]}, annotations, findings, digest)


def read_test_image(source: Path, entry: dict[str, Any]) -> ReadImage:
    """Hold the test image of an entry of the id file against the size that is given there."""
    file = f'{TEST}/{entry["file_name"]}'
    path = source / file
    if not path.is_file():
        text = f'id {entry["id"]} of the id file has no image here'
        return ReadImage(None, [], [Finding('missing test image', file, '', '', text)], '')
    shape, digest, findings = read_pixels(path, file)
    expected = (entry['height'], entry['width'])
    if shape is not None and shape != expected:
        text = (
            f'the image is {shape[0]} × {shape[1]} px (height × width), the id file says {expected[0]} × {expected[1]}'
        )
        findings.append(Finding('test image size', file, '', '', text))
    return ReadImage(entry, [], findings, digest)


def _parallel(work: Callable, items: Sequence, workers: int, text: str) -> Iterable[ReadImage]:
    """``map(work, items)`` in processes, in the order of the items, with a progress bar."""
    bar = partial(tqdm, total=len(items), desc=text, unit='image', disable=not items)
    if workers <= 1 or len(items) <= 1:
        yield from bar(map(work, items))
        return
    with ProcessPoolExecutor(min(workers, len(items)), mp_context=get_context('fork')) as pool:
        yield from bar(pool.map(work, items))


def _categories(classes: Sequence[str]) -> list[dict[str, Any]]:
    if len(set(classes)) != len(classes) or not classes:
        raise ValueError(f'the class names must be given and differ from each other, got {list(classes)}')
    return [{'id': number, 'name': name} for number, name in enumerate(classes, start=1)]


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
    entries = sorted(os.listdir(source / TRAIN))
    folders = [name for name in entries if (source / TRAIN / name).is_dir()]
    if not folders:
        raise FileNotFoundError(f'{source / TRAIN}: expected folders with image.tif and class1.tif …, found none')
    findings = check.check_names(TRAIN, entries, folders)
    train: dict[str, Any] = {'images': [], 'annotations': [], 'categories': categories}
    digests = []
    for read in _parallel(partial(read_training_folder, source, classes), folders, workers, 'training images'):
        findings += read.findings
        if read.image is None:
            continue
        image_id = len(train['images']) + 1
        train['images'].append({'id': image_id, **read.image})
        digests.append((read.image['file_name'], read.digest))
        for annotation in read.annotations:
            numbers = {'id': len(train['annotations']) + 1, 'image_id': image_id}
            train['annotations'].append({**numbers, **annotation})
    conversion = Conversion(train, None, findings)
    _read_test(source, ids_file, workers, conversion, digests)
    conversion.findings += check.check_duplicates(digests)
    return conversion


def _read_test(
    source: Path, ids_file: Path | None, workers: int, conversion: Conversion, digests: list[tuple[str, str]]
) -> None:
    """Add ``test`` to the conversion, and the digests of the test images that are here."""
    present = sorted(os.listdir(source / TEST)) if (source / TEST).is_dir() else []
    path = ids_file or source / IDS
    if ids_file is None and not path.is_file():
        conversion.notes.append(f'no {IDS} in {source}: no test.json was made')
        if present:
            text = f'{len(present)} files, but no id file gives them ids; left out'
            conversion.findings.append(Finding('test images without ids', TEST, '', '', text))
        return
    entries = read_image_ids(path)
    conversion.test = {
        'images': [{**e, 'file_name': f'{TEST}/{e["file_name"]}'} for e in entries],
        'annotations': [],
        'categories': conversion.train['categories'],
    }
    conversion.findings += check.check_names(TEST, present, [e['file_name'] for e in entries])
    if not present:
        conversion.notes.append(
            f'no test images in {source / TEST}: the {len(entries)} images of test.json come from {path} alone'
        )
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
    text = ''.join('\t'.join(str(v).replace('\n', ' ') for v in row) + '\n' for row in rows)
    return atomic_write(out / 'annotations' / 'findings.tsv', text)
