"""Read one image of the layout of class TIFFs: what a worker of the conversion does."""

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..structures.masks import InstanceMasks
from . import check
from .check import UNLABELLED, Finding, LabelledCells
from .tiff import ImageReadError, page_count, read_image, read_numbers, read_values

TRAIN, TEST = 'train', 'test_release'
DARK = 32  # of 255: an eighth of the range of its type


class ReadImage(NamedTuple):
    """What a worker found of one image; ``image`` is None if it cannot be used, ``digest`` is of its pixels."""

    image: dict[str, Any] | None
    annotations: list[dict[str, Any]]
    findings: list[Finding]
    digest: str


def to_annotations(cells: LabelledCells, category_id: int) -> list[dict[str, Any]]:
    """COCO annotations of one class of an image, by ascending id, without ``id`` and ``image_id``."""
    boxes = cells.masks.tight_boxes()
    boxes[:, 2:] -= boxes[:, :2]
    return [
        {
            'category_id': category_id,
            'bbox': box,
            'area': area,
            'iscrowd': 0,
            'segmentation': {'size': rle['size'], 'counts': rle['counts'].decode()},
        }
        for box, area, rle in zip(boxes.tolist(), cells.masks.areas.tolist(), cells.masks.to_rles())
    ]


def attempted(read: Callable, path: Path, failed: Finding, *args: Any) -> tuple[Any, list[Finding]]:
    """What ``read`` gives of a file, with its findings; if it cannot, None and ``failed``, its text after the error."""
    try:
        return read(path, failed.file, *args)
    except (ValueError, OSError, MemoryError) as error:
        said = str(error) or 'it does not fit into memory'
        return None, [failed._replace(text=said + failed.text)]


def read_class(
    path: Path, file: str, category: str, image_shape: tuple[int, int] | None
) -> tuple[LabelledCells | None, list[Finding]]:
    """The cells of one class file, of an image of (H, W) if that is known; None if they cannot be placed."""
    values, pages = read_numbers(path), page_count(path)
    if image_shape and values.shape != image_shape:
        found, expected = (' × '.join(map(str, shape)) for shape in (values.shape, image_shape))
        text = f'the mask is {found} px (height × width), its image {expected} px; {UNLABELLED}'
        return None, [Finding('shape', file, category, '', text, int((np.unique(values) != 0).sum()))]
    label_map, findings = check.integer_ids(values, file, category)
    if pages > 1:
        text = f'{pages} pages, of which only the first is read; cells of the others are left out'
        findings.append(Finding('several pages', file, category, text=text))
    cells = LabelledCells(file, category, *InstanceMasks.from_label_map(label_map))
    return cells, findings + check.check_cells(cells)


def read_pixels(path: Path, file: str) -> tuple[tuple[tuple[int, int], str], list[Finding]]:
    """The (height, width) of an image and a digest of its pixels."""
    findings, pages = [], page_count(path)
    try:
        pixels = read_image(path)
    except ImageReadError as error:
        pixels = read_image(path, scale='percentile')  # whether a rule for the values is all that it lacks
        findings.append(Finding('image needs a scale rule', file, text=str(error)))
    if pages > 1:
        text = (
            f'{pages} pages, of which LoadTiffImage reads the first unless its page says otherwise; if they are the '
            'channels of one image, save them as one RGB page'
        )
        findings.append(Finding('several pages', file, text=text))
    if pixels.max() < DARK and not findings:
        stored = read_values(path)
        if stored.dtype.itemsize > 1 and stored.max() > 0:
            text = (
                f'{stored.dtype} with values up to {stored.max():g}, of which {pixels.max()} of 255 would be left: if '
                "these are 12 bits, say, set scale=(0, 4095), or scale='percentile', in LoadTiffImage of the config"
            )
            findings.append(Finding('dark image', file, text=text))
    digest = hashlib.blake2b(repr(pixels.shape).encode() + pixels.tobytes(), digest_size=16)
    return (pixels.shape[:2], digest.hexdigest()), findings


def read_training_folder(source: Path, classes: Sequence[str], name: str) -> ReadImage:
    """Convert ``train/<name>`` of the source."""
    place = f'{TRAIN}/{name}'
    folder, file = source / place, f'{place}/image.tif'
    try:
        names = set(os.listdir(folder))
    except OSError as error:
        return ReadImage(None, [], [Finding('unreadable image', place, text=str(error))], '')
    class_files = [f'class{number}.tif' for number in range(1, len(classes) + 1)]
    findings = check.check_names(place, names, ['image.tif', *class_files])
    image, of_image = None, [Finding('no image', file, text='the folder holds no image.tif')]
    if 'image.tif' in names:
        image, of_image = attempted(read_pixels, folder / 'image.tif', Finding('unreadable image', file))
    shape, digest = image or (None, '')
    labelled, of_classes = {}, []
    for number, (class_file, category) in enumerate(zip(class_files, classes), start=1):
        if class_file in names:
            failed = Finding('unreadable mask', f'{place}/{class_file}', category, text=f'; {UNLABELLED}')
            cells, found = attempted(read_class, folder / class_file, failed, category, shape)
            of_classes += found
            if cells is not None:
                labelled[number] = cells
    if shape is None:  # one finding stands for the whole folder, with all of its cells
        left_out = sum(len(cells.ids) for cells in labelled.values())
        return ReadImage(None, [], findings + [f._replace(left_out=left_out) for f in of_image], '')
    if not names & set(class_files):
        findings.append(
            Finding('no class', file, text='the folder holds no class file; kept as an image without cells')
        )
    findings += of_image + of_classes + check.check_overlaps(list(labelled.values()))
    annotations = [a for number, cells in labelled.items() for a in to_annotations(cells, number)]
    return ReadImage({'file_name': file, 'height': shape[0], 'width': shape[1]}, annotations, findings, digest)


def read_test_image(source: Path, entry: dict[str, Any]) -> ReadImage:
    """Hold the test image of an entry of the id file against the size that is given there."""
    file = f'{TEST}/{entry["file_name"]}'
    if not (source / file).is_file():
        text = f'id {entry["id"]} of the id file has no image here'
        return ReadImage(None, [], [Finding('missing test image', file, text=text)], '')
    image, findings = attempted(read_pixels, source / file, Finding('unreadable image', file))
    shape, digest = image or (None, '')
    height, width = entry['height'], entry['width']
    if shape not in (None, (height, width)):
        text = f'the image is {shape[0]} × {shape[1]} px (height × width), the id file says {height} × {width}'
        findings.append(Finding('test image size', file, text=text))
    return ReadImage(entry, [], findings, digest)
