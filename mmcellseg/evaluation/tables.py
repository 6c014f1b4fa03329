"""Ground truth and predictions as checked columns, so that one set of annotations serves many evaluations."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from hotcoco import COCO
from pycocotools import mask as coco_mask

from ..structures.box_masks import BoxMasks
from ..structures.ragged import offsets
from ..structures.rle import strings_to_counts


class EvaluationError(ValueError):
    """Input that cannot be evaluated; the message names the file and the entry."""


def _whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _numbers(values: Any, count: int) -> bool:
    return (
        isinstance(values, Sequence | np.ndarray)
        and len(values) == count
        and all(isinstance(v, (int, float, np.number)) and np.isfinite(v) for v in values)
    )


def _rle_problem(rle: Any, size: tuple[int, int]) -> str | None:
    if not isinstance(rle, Mapping) or 'size' not in rle or not isinstance(rle.get('counts'), str | bytes):
        return f'segmentation {str(rle)[:40]!r}, expected an RLE with size and compressed counts'
    if tuple(rle['size']) != size:
        return f'RLE of size {list(rle["size"])}, expected {list(size)}, the height and width of its image'
    return None


def _check_rles(rles: Sequence[Mapping], where: str) -> None:
    """Refuse RLEs that do not decode to their size: the backend would count them as empty without a word."""
    try:
        counts, splits = strings_to_counts([rle['counts'] for rle in rles])
    except ValueError as error:
        raise EvaluationError(f'{where} (counted from 0): {error}') from error
    covered = np.diff(offsets(counts)[splits])
    expected = np.array([rle['size'] for rle in rles], np.int64).reshape(-1, 2).prod(1)
    for i in np.flatnonzero(covered != expected)[:1]:
        raise EvaluationError(f'{where} {i}: the RLE covers {covered[i]} px, expected {expected[i]}')


class Table:
    """Instances as columns, with the rows of each image.

    Attributes: ``image_ids`` and ``category_ids`` (N,) int64, ``boxes`` (N, 4) xywh px, ``rles`` (a list of N
    COCO RLEs with compressed counts, or None).
    """

    images: dict[int, tuple[int, int]]
    image_ids: np.ndarray
    category_ids: np.ndarray
    boxes: np.ndarray
    rles: list[dict] | None

    @cached_property
    def _rows(self) -> dict[int, np.ndarray]:
        order = np.argsort(self.image_ids, kind='stable')
        unique, first = np.unique(self.image_ids[order], return_index=True)
        return dict(zip(unique.tolist(), np.split(order, first[1:]))) if len(order) else {}

    @cached_property
    def _masks(self) -> dict[int, BoxMasks]:
        return {}

    def __len__(self) -> int:
        return len(self.image_ids)

    def rows(self, image_id: int) -> np.ndarray:
        """Row numbers of one image, ascending."""
        return self._rows.get(image_id, np.zeros(0, np.int64))

    def masks(self, image_id: int) -> BoxMasks:
        """The masks of one image in the order of ``rows``; decoded once."""
        if image_id not in self._masks:
            assert self.rles is not None
            rles = [self.rles[i] for i in self.rows(image_id).tolist()]
            self._masks[image_id] = BoxMasks.from_rles(rles, *self.images[image_id])
        return self._masks[image_id]


class GroundTruth(Table):
    """The annotations of a COCO json, checked once, for any number of evaluations.

    Annotation ids are renumbered from 1, since id 0 counts as "no match" in COCO evaluation. Crowd regions
    (``iscrowd``) and polygons are accepted.

    Args:
        ann_file: Path of the json, or its content.
        classes: Names of the categories to evaluate, in order; None takes those of the file by id.

    Raises:
        EvaluationError: names the file and the first entry without an area, with an id that is no integer, of an
            unknown image or category, or with a mask of another size than its image.
    """

    def __init__(self, ann_file: str | os.PathLike | Mapping, classes: Iterable[str] | None = None) -> None:
        self.name = 'the annotations' if isinstance(ann_file, Mapping) else str(ann_file)
        data = ann_file if isinstance(ann_file, Mapping) else self._read(ann_file)
        for key in ('images', 'categories'):
            if not isinstance(data.get(key), Sequence):
                raise EvaluationError(f'{self.name}: no list of {key}; expected a COCO annotation file')
        for kind in ('images', 'categories'):
            for i, item in enumerate(data[kind]):
                if not _whole(item.get('id')):
                    raise EvaluationError(f'{self.name}: {kind}[{i}] has id {item.get("id")!r}, expected an integer')
        self.images = {int(i['id']): (int(i['height']), int(i['width'])) for i in data['images']}
        self.file_names = {int(i['id']): str(i.get('file_name', i['id'])) for i in data['images']}
        names = {int(c['id']): str(c['name']) for c in data['categories']}
        self.categories = self._chosen(names, classes)
        annotations = data.get('annotations') or []
        for i, ann in enumerate(annotations):
            problem = self._problem(ann, names)
            if problem:
                raise EvaluationError(f'{self.name}: annotations[{i}] (id {ann.get("id")!r}): {problem}')
        kept = [a for a in annotations if a['category_id'] in self.categories]
        self.image_ids = np.array([a['image_id'] for a in kept], np.int64)
        self.category_ids = np.array([a['category_id'] for a in kept], np.int64)
        self.boxes = np.array([a['bbox'] for a in kept], np.float64).reshape(-1, 4)
        self.areas = np.array([a['area'] for a in kept], np.float64)
        self.crowd = np.array([bool(a.get('iscrowd', 0)) for a in kept], bool)
        self.rles = None
        if all('segmentation' in a for a in kept):
            self.rles = [self._rle(a['segmentation'], self.images[a['image_id']]) for a in kept]
            _check_rles(self.rles, f'{self.name}: annotation')

    @staticmethod
    def _read(path: str | os.PathLike) -> Mapping:
        try:
            with open(path, encoding='utf-8') as file:
                data = json.load(file)
        except (OSError, json.JSONDecodeError) as error:
            raise EvaluationError(f'{path}: cannot be read as JSON ({error})') from error
        if not isinstance(data, dict):
            raise EvaluationError(f'{path}: expected a COCO annotation file, found a {type(data).__name__}')
        return data

    def _chosen(self, names: dict[int, str], classes: Iterable[str] | None) -> dict[int, str]:
        """Category id → name, in the order of the classes."""
        if classes is None:
            return dict(sorted(names.items()))
        ids = {name: i for i, name in names.items()}
        missing = [c for c in classes if c not in ids]
        if missing:
            raise EvaluationError(f'{self.name}: no category named {missing}, it has {sorted(ids)}')
        return {ids[c]: c for c in classes}

    def _problem(self, ann: Mapping, names: Mapping[int, str]) -> str | None:
        if not all(_whole(ann.get(k)) for k in ('id', 'image_id', 'category_id')):
            found = {k: ann.get(k) for k in ('id', 'image_id', 'category_id')}
            return f'expected integers, found {found}'
        if ann['image_id'] not in self.images:
            return f'image_id {ann["image_id"]} is not among the {len(self.images)} images'
        if ann['category_id'] not in names:
            return f'category_id {ann["category_id"]} is not among {sorted(names)}'
        if not _numbers([ann.get('area')], 1):
            return f'area {ann.get("area")!r}, expected the pixels of its mask (convert the data again)'
        if not _numbers(ann.get('bbox'), 4):
            return f'bbox {ann.get("bbox")!r}, expected x, y, width and height'
        if isinstance(ann.get('segmentation'), Mapping):
            rle = ann['segmentation']
            plain = isinstance(rle.get('counts'), list)
            return _rle_problem({**rle, 'counts': ''} if plain else rle, self.images[ann['image_id']])
        return None

    @staticmethod
    def _rle(segmentation: Any, size: tuple[int, int]) -> dict:
        if isinstance(segmentation, Mapping) and not isinstance(segmentation['counts'], list):
            return dict(segmentation)
        rle = coco_mask.frPyObjects(segmentation, *size)
        return coco_mask.merge(rle) if isinstance(rle, list) else rle

    def area_edges(self, image_ids: Sequence[int]) -> tuple[float, float]:
        """The terciles of the cells' areas in px², moved to half numbers so that no cell lies in two bins."""
        chosen = np.isin(self.image_ids, image_ids) & ~self.crowd
        if not chosen.any():
            return (0.5, 0.5)
        low, high = np.quantile(self.areas[chosen], [1 / 3, 2 / 3])
        return float(np.floor(low) + 0.5), float(np.floor(high) + 0.5)

    @cached_property
    def coco(self) -> COCO:
        """The annotations as the AP backend wants them."""
        return COCO.from_arrays(
            [{'id': i, 'height': h, 'width': w} for i, (h, w) in self.images.items()],
            [{'id': i, 'name': name} for i, name in self.categories.items()],
            self.image_ids,
            self.category_ids,
            self.boxes,
            ids=np.arange(1, len(self) + 1),
            area=self.areas,
            iscrowd=self.crowd,
            segmentation=self.rles,  # type: ignore[arg-type]
        )


class Predictions(Table):
    """A COCO results list, checked against the ground truth it is for.

    Only what would make the figures meaningless is refused; an empty mask or a box without area counts as a
    prediction that finds nothing. ``scores`` is (N,) float64.

    Raises:
        EvaluationError: names the first entry of an unknown image or category, with a score that is no finite
            number, or with a box or mask that is missing, broken or of another size than its image.
    """

    def __init__(self, entries: Sequence[Mapping], gt: GroundTruth, *, boxes: bool = True, masks: bool = True):
        self.images = gt.images
        for i, entry in enumerate(entries):
            problem = self._problem(entry, gt, boxes, masks)
            if problem:
                raise EvaluationError(f'prediction {i} (counted from 0): {problem}')
        self.image_ids = np.array([e['image_id'] for e in entries], np.int64)
        self.category_ids = np.array([e['category_id'] for e in entries], np.int64)
        self.scores = np.array([e['score'] for e in entries], np.float64)
        none = (0.0, 0.0, 0.0, 0.0)
        self.boxes = np.array([e['bbox'] if boxes else none for e in entries], np.float64).reshape(-1, 4)
        self.rles = [e['segmentation'] for e in entries] if masks else None
        if self.rles is not None:
            _check_rles(self.rles, 'prediction')

    @staticmethod
    def _problem(entry: Mapping, gt: GroundTruth, boxes: bool, masks: bool) -> str | None:
        if not isinstance(entry, Mapping):
            return f'expected an object with image_id, category_id and score, found {str(entry)[:40]}'
        image_id, category = entry.get('image_id'), entry.get('category_id')
        if not _whole(image_id) or image_id not in gt.images:
            return f'image_id {image_id!r} is not among the {len(gt.images)} images of {gt.name}'
        if not _whole(category) or category not in gt.categories:
            return f'category_id {category!r}, expected one of {list(gt.categories)}'
        if not _numbers([entry.get('score')], 1):
            return f'score {entry.get("score")!r} of image {image_id}, expected a finite number'
        if boxes and not _numbers(entry.get('bbox'), 4):
            return f'bbox {entry.get("bbox")!r} of image {image_id}, expected x, y, width and height'
        problem = _rle_problem(entry.get('segmentation'), gt.images[image_id]) if masks else None
        return problem and f'{problem} (image {image_id})'
