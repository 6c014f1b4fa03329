"""From a predictions file to files that people open, and from those, corrected, to a COCO json to train on."""

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ..data.tiff import image_size
from ..structures.coco import read_listed
from ..structures.masks import InstanceMasks
from ..structures.palette import PALETTE, extended
from ..structures.results import ResultsFile, refuse
from ..structures.results_rules import EMPTY_MASK, LISTED_COUNTS, MASK_OUTSIDE, REPEATED, examine
from .cells import CellClass, Cells
from .formats import READERS
from .geojson import ExportReadError
from .writer import Writer

_IMAGES = ('.tif', '.tiff', '.png', '.jpg', '.jpeg', '.svs', '.ndpi')
_ENDINGS = ('.geojson.gz', '.geojson', '.json', '.labels.tif', '.ome.tif', '.tif', '.tiff')
_BATCH = 10_000
_TOLERATED = {EMPTY_MASK, MASK_OUTSIDE, LISTED_COUNTS, REPEATED}  # what a file can show as it is


def coloured(names: Mapping[int, str]) -> list[CellClass]:
    """Classes of these ids and names, in the project's colours."""
    return [CellClass(k, name, colour) for (k, name), colour in zip(names.items(), extended(PALETTE, len(names)))]


def read_images(path: Path) -> tuple[list[dict[str, Any]], list[CellClass]]:
    """Id, file name, height and width of each image of a COCO json, an id file or a folder, and the json's classes."""
    if path.is_dir():
        names = sorted(p.relative_to(path).as_posix() for p in path.rglob('*') if p.suffix.lower() in _IMAGES)
        if not names:
            raise ExportReadError(f'{path}: expected images ({", ".join(_IMAGES)}), found none')
        sizes = [dict(zip(('height', 'width'), image_size(path / name))) for name in names]
        return [{'id': k, 'file_name': name, **size} for k, (name, size) in enumerate(zip(names, sizes), 1)], []
    images, categories = read_listed(path)
    return images, coloured(categories)


def to_cells(
    entries: Sequence[Mapping[str, Any]], height: int, width: int, classes: Sequence[CellClass], mpp: float | None
) -> Cells:
    """The entries of one image as cells; agreement where all have it."""
    boxes = np.array([entry['bbox'] for entry in entries], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    agreed = [entry['agreement'] for entry in entries if 'agreement' in entry]
    return Cells(
        boxes,
        np.array([entry['score'] for entry in entries], np.float64),
        np.array([entry['category_id'] for entry in entries], np.int64),
        InstanceMasks.from_rles([entry['segmentation'] for entry in entries], height, width),
        tuple(classes),
        np.array(agreed, np.float64) if entries and len(agreed) == len(entries) else None,
        mpp,
    )


def export_results(
    results: str | os.PathLike,
    images: Sequence[Mapping[str, Any]],
    classes: Sequence[CellClass],
    formats: Iterable[type[Writer]],
    out: Path,
    score_thr: float = 0.0,
    mpp: float | None = None,
) -> tuple[list[Path], int]:
    """Write the cells of each image that a predictions file has entries of.

    Args:
        results: The predictions file.
        images: See :func:`read_images`.
        classes: All classes of the predictions.
        formats: What to write.
        out: Folder; a file has the name of its image and keeps its place in folders.
        score_thr: Cells below are left out.
        mpp: Size of a pixel in µm.

    Returns:
        The files, and the number of cells.

    Raises:
        ValueError: Predictions are malformed, or two images would have the same files.
    """
    file = ResultsFile(results)
    sizes = {image['id']: (image['height'], image['width']) for image in images}
    stems = {image['id']: out / _stem(image['file_name']) for image in images}
    unknown = sorted(set(file.image_ids) - set(sizes))
    if unknown:
        raise ValueError(f'{results}: expected ids of the images given, found image {unknown[0]}')
    used = [stems[image_id] for image_id in sizes if image_id in set(file.image_ids)]
    if twice := [stem for k, stem in enumerate(used) if stem in used[:k]]:
        raise ValueError(f'{results}: two images would both be written as {twice[0]}: rename one')
    written, number = [], 0
    for image_id, size in sizes.items():
        if not len(places := file.indices(image_id)):
            continue
        entries = file.read(image_id)
        wrong = [
            v for v in examine(entries, sizes, [c.id for c in classes], places=places)[0] if v.rule not in _TOLERATED
        ]
        refuse(results, wrong, f'nothing of image {image_id} was written')
        entries = [entry for entry in entries if entry['score'] >= score_thr]
        number += len(entries)
        with ExitStack() as stack:
            writers = []
            for kind in formats:
                written.append(stems[image_id].with_name(stems[image_id].name + kind.suffix))
                writers.append(stack.enter_context(kind(written[-1], *size, classes, mpp, image_id)))
            for k in range(0, len(entries), _BATCH):
                cells = to_cells(entries[k : k + _BATCH], *size, classes, mpp)
                for writer in writers:
                    writer.write(cells)
    return written, number


def _stem(name: str) -> str:
    """An image's name without its ending. Raises ValueError if it leads out of the folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or '..' in path.parts or not path.name:
        raise ValueError(f'image {name!r}: expected a file name inside a folder')
    return path.with_suffix('').as_posix()


def coco_of_files(
    files: Sequence[Path], kind: str, images: Sequence[Mapping[str, Any]], classes: Sequence[CellClass] = ()
) -> dict[str, Any]:
    """A COCO json of the cells of files, with the images that have a file.

    Args:
        files: A file belongs to the image of its name; of several, to that whose folders it shares.
        kind: Key of ``READERS``.
        images: See :func:`read_images`.
        classes: All that cells may have. Without any, the names that are found, sorted; cells without a class are
            ``cell`` if no cell has one.

    Raises:
        ValueError: A file has no image or not the only one, or a cell's class is unknown or not given.
    """
    by_name = {_stem(image['file_name']): image for image in images}
    found: dict[int, tuple[Path, Mapping[str, Any], list[str | None], InstanceMasks]] = {}
    for path in files:
        image = _image_of(path, by_name)
        if image['id'] in found:
            raise ExportReadError(f'{path}: {found[image["id"]][0]} belongs to the same image, {image["file_name"]}')
        found[image['id']] = (path, image, *READERS[kind](path, image['height'], image['width']))
    every = {name for *_, names, _ in found.values() for name in names}
    if not classes:
        named = sorted(name for name in every if name is not None)
        classes = [CellClass(k, name) for k, name in enumerate(named or ['cell'], 1)]
    ids: dict[str | None, int] = {c.name: c.id for c in classes}
    if len(classes) == 1 and every <= {None}:
        ids[None] = classes[0].id
    annotations: list[dict[str, Any]] = []
    for path, image, names, masks in found.values():
        boxes = masks.tight_boxes()
        sides = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).tolist()
        for name, bbox, area, rle in zip(names, sides, masks.areas.tolist(), masks.to_rles()):
            if name not in ids:
                what = 'has no class' if name is None else f'is of class {name!r}'
                known = [c.name for c in classes]
                raise ExportReadError(f'{path}: a cell at {bbox[:2]} {what}, expected one of {known}')
            if area:
                rle['counts'] = rle['counts'].decode('ascii')
                numbers = {'id': len(annotations) + 1, 'image_id': image['id'], 'category_id': ids[name]}
                annotations.append({**numbers, 'bbox': bbox, 'area': area, 'iscrowd': 0, 'segmentation': rle})
    categories = [{'id': c.id, 'name': c.name, 'supercategory': 'cell'} for c in classes]
    return {'images': [dict(i) for _, i, *_ in found.values()], 'annotations': annotations, 'categories': categories}


def _image_of(path: Path, by_name: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    text = path.absolute().as_posix()
    parts = next((text.removesuffix(end) for end in _ENDINGS if text.lower().endswith(end)), text).split('/')
    for k in range(len(parts)):
        if image := by_name.get('/'.join(parts[k:])):
            return image
    raise ExportReadError(
        f'{path}: expected the name of one of the {len(by_name)} images, such as {next(iter(by_name))}'
    )
