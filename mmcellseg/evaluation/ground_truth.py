"""The annotations of a COCO json, checked once for any number of evaluations."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from .coco_check import category_names, image_sizes, segmentation_problem
from .instances import EvaluationError, Instances, decode, numbers, short, whole


class GroundTruth(Instances):
    """The annotations of a COCO json, checked once, for any number of evaluations.

    Cells go by their row, not by their annotation id, of which 0 would count as "no match" in pycocotools. Crowd
    regions (``iscrowd``) and polygons are accepted.

    Args:
        ann_file: Path of the json, or its content.
        classes: Names of the categories to evaluate, in order; None takes those of the file by id.

    Raises:
        EvaluationError: names the file and the first entry that is no object, without an area, with an id that is no
            integer, of an unknown image or category, with a mask of another size than its image or a polygon of less
            than three points; or the first image or category without a size or a name, or with another's id.
    """

    def __init__(self, ann_file: str | os.PathLike | Mapping, classes: Iterable[str] | None = None) -> None:
        self.name = 'the annotations' if isinstance(ann_file, Mapping) else str(ann_file)
        data = ann_file if isinstance(ann_file, Mapping) else self._read(ann_file)
        names = category_names(data, self.name)
        self.images = image_sizes(data, self.name)
        self.file_names = {int(i['id']): str(i.get('file_name', i['id'])) for i in data['images']}
        self.categories = self._chosen(names, classes)
        annotations = [] if data.get('annotations') is None else data['annotations']
        if not isinstance(annotations, list | tuple):
            raise EvaluationError(f'{self.name}: annotations is {short(annotations)}, expected a list')
        for i, ann in enumerate(() if self._sound(annotations, names) else annotations):
            problem = self._problem(ann, names)
            if problem:
                number = f' (id {ann.get("id")!r})' if isinstance(ann, Mapping) else ''
                raise EvaluationError(f'{self.name}: annotations[{i}]{number}: {problem}')
        kept = [a for a in annotations if a['category_id'] in self.categories]
        self.image_ids = np.array([a['image_id'] for a in kept], np.int64)
        self.category_ids = np.array([a['category_id'] for a in kept], np.int64)
        self.boxes = np.array([a['bbox'] for a in kept], np.float64).reshape(-1, 4)
        self.areas = np.array([a['area'] for a in kept], np.float64)
        self.crowd = np.array([bool(a.get('iscrowd', 0)) for a in kept], bool)
        self.runs = None
        if all('segmentation' in a for a in kept):
            rles = [self._rle(a['segmentation'], self.images[a['image_id']]) for a in kept]
            self.runs = decode(rles, f'{self.name}: annotation')

    @staticmethod
    def _read(path: str | os.PathLike) -> Mapping:
        try:
            with open(path, encoding='utf-8') as file:
                data = json.load(file)
        except FileNotFoundError:
            raise EvaluationError(f'{path}: there is no such annotation file') from None
        except (OSError, ValueError) as error:  # also bytes that are no UTF-8
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

    def _sound(self, annotations: Sequence[Mapping], names: Mapping[int, str]) -> bool:
        """Whether all annotations are surely right; if not, each is looked at."""
        try:
            ids = np.array([[a['id'], a['image_id'], a['category_id']] for a in annotations])
            values = np.array([[a['area'], *a['bbox']] for a in annotations])
            rles = [a['segmentation'] for a in annotations]
            fits = [tuple(r['size']) for r in rles] == [self.images[i] for i in ids[:, 1].tolist()]
            coded = {type(r['counts']) for r in rles} <= {str, bytes}
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            return False
        known = set(ids[:, 2].tolist()) <= names.keys()
        return (
            fits
            and coded
            and known
            and ids.dtype.kind == 'i'
            and values.dtype.kind in 'if'
            and values.shape[1] == 5
            and bool(np.isfinite(values).all())
        )

    def _problem(self, ann: Any, names: Mapping[int, str]) -> str | None:
        if not isinstance(ann, Mapping):
            return f'expected an object with image_id, category_id and bbox, found {short(ann)}'
        if not all(whole(ann.get(k)) for k in ('id', 'image_id', 'category_id')):
            found = {k: ann.get(k) for k in ('id', 'image_id', 'category_id')}
            return f'expected integers, found {found}'
        if ann['image_id'] not in self.images:
            return f'image_id {ann["image_id"]} is not among the {len(self.images)} images'
        if ann['category_id'] not in names:
            return f'category_id {ann["category_id"]} is not among {sorted(names)}'
        if not numbers([ann.get('area')], 1):
            return f'area {ann.get("area")!r}, expected the pixels of its mask (convert the data again)'
        if not numbers(ann.get('bbox'), 4):
            return f'bbox {ann.get("bbox")!r}, expected x, y, width and height'
        if 'segmentation' not in ann:
            return None
        return segmentation_problem(ann['segmentation'], self.images[ann['image_id']])

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
