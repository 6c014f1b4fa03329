"""The annotations of a COCO json, checked once for any number of evaluations."""

import os
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from pycocotools import mask as coco_mask

from ..structures.coco import CocoError, category_names, check_coco, image_sizes, read_coco
from ..structures.rle import decode_rles
from .instances import Instances


class GroundTruth(Instances):
    """The annotations of a COCO json, or of the content of one, checked once, for any number of evaluations.

    Cells go by their row, not by their annotation id, of which 0 would count as "no match" in pycocotools. Crowd
    regions (``iscrowd``) and polygons are accepted. ``classes``: names of the categories to evaluate, in order; None
    takes those of the file by id. ``CocoError`` names the file and the first entry that is wrong.
    """

    def __init__(self, ann_file: str | os.PathLike | Mapping, classes: Iterable[str] | None = None) -> None:
        self.name = 'the annotations' if isinstance(ann_file, Mapping) else str(ann_file)
        if isinstance(ann_file, Mapping):
            check_coco(data := ann_file, self.name, cells=True)
        else:
            data = read_coco(ann_file, cells=True)
        self.images = image_sizes(data)
        self.file_names = {int(i['id']): i.get('file_name', str(i['id'])) for i in data['images']}
        names = category_names(data)
        if classes is not None:
            ids = {name: i for i, name in names.items()}
            if missing := [c for c in classes if c not in ids]:
                raise CocoError(f'{self.name}: no category named {missing}, it has {sorted(ids)}')
        self.categories = dict(sorted(names.items())) if classes is None else {ids[c]: c for c in classes}
        kept = [a for a in data.get('annotations') or () if a['category_id'] in self.categories]
        self.image_ids = np.array([a['image_id'] for a in kept], np.int64)
        self.category_ids = np.array([a['category_id'] for a in kept], np.int64)
        self.boxes = np.array([a['bbox'] for a in kept], np.float64).reshape(-1, 4)
        self.areas = np.array([a['area'] for a in kept], np.float64)
        self.crowd = np.array([bool(a.get('iscrowd', 0)) for a in kept], bool)
        self.runs = None
        if all('segmentation' in a for a in kept):
            sizes = [self.images[i] for i in self.image_ids.tolist()]
            rles = [a['segmentation'] for a in kept]
            for k, polygons in enumerate(rles):
                if isinstance(polygons, list):
                    rles[k] = coco_mask.merge(coco_mask.frPyObjects(polygons, *sizes[k]))
            counts, splits, problems = decode_rles(rles, np.array(sizes, np.int64).reshape(-1, 2))
            self.runs = counts, splits
            for k in sorted(problems)[:1]:
                place = f'annotations[{data["annotations"].index(kept[k])}] (id {kept[k]["id"]})'
                raise CocoError(f'{self.name}: {place}: {problems[k]}')

    def area_edges(self, image_ids: Sequence[int]) -> tuple[float, float]:
        """The terciles of the cells' areas in px², moved to half numbers so that no cell lies in two bins."""
        chosen = np.isin(self.image_ids, image_ids) & ~self.crowd
        if not chosen.any():
            return (0.5, 0.5)
        low, high = np.quantile(self.areas[chosen], [1 / 3, 2 / 3])
        return float(np.floor(low) + 0.5), float(np.floor(high) + 0.5)
