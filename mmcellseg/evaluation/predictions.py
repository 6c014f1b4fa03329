"""A COCO results list as columns, checked against the ground truth it is for."""

from collections.abc import Mapping, Sequence

import numpy as np

from .ground_truth import GroundTruth
from .instances import EvaluationError, Instances, decode, numbers, rle_problem, whole


class Predictions(Instances):
    """A COCO results list, checked against the ground truth it is for.

    Only what would make the figures meaningless is refused; an empty mask or a box without area counts as a
    prediction that finds nothing. ``scores`` is (N,) float64.

    Raises:
        EvaluationError: names the first entry of an unknown image or category, with a score that is no finite
            number, or with a box or mask that is missing, broken or of another size than its image.
    """

    def __init__(self, entries: Sequence[Mapping], gt: GroundTruth, *, boxes: bool = True, masks: bool = True):
        self.images = gt.images
        if not self._fill(entries, gt, boxes, masks):
            for i, entry in enumerate(entries):
                problem = self._problem(entry, gt, boxes, masks)
                if problem:
                    raise EvaluationError(f'prediction {i} (counted from 0): {problem}')
        self.runs = decode([e['segmentation'] for e in entries], 'prediction') if masks else None

    def _fill(self, entries: Sequence[Mapping], gt: GroundTruth, boxes: bool, masks: bool) -> bool:
        """Set the columns; False if anything looks wrong in any entry."""
        number = len(entries)
        try:
            image_ids = np.array([e['image_id'] for e in entries] or np.zeros(0, int))
            category_ids = np.array([e['category_id'] for e in entries] or np.zeros(0, int))
            self.scores = np.array([e['score'] for e in entries], np.float64)
            none = (0.0, 0.0, 0.0, 0.0)
            self.boxes = np.array([e['bbox'] if boxes else none for e in entries], np.float64).reshape(number, 4)
            rles = [e['segmentation'] for e in entries] if masks else []
            sizes = [gt.images[i] for i in image_ids.tolist()]
            fits = [tuple(rle['size']) for rle in rles] == sizes[: len(rles)]
            coded = {type(rle['counts']) for rle in rles} <= {str, bytes}
            self.image_ids, self.category_ids = image_ids.astype(np.int64), category_ids.astype(np.int64)
        except (KeyError, OverflowError, TypeError, ValueError):
            return False
        integers = image_ids.dtype.kind in 'iu' and category_ids.dtype.kind in 'iu'
        finite = bool(np.isfinite(self.scores).all() and np.isfinite(self.boxes).all())
        return integers and finite and fits and coded and set(category_ids.tolist()) <= set(gt.categories)

    @staticmethod
    def _problem(entry: Mapping, gt: GroundTruth, boxes: bool, masks: bool) -> str | None:
        if not isinstance(entry, Mapping):
            return f'expected an object with image_id, category_id and score, found {str(entry)[:40]}'
        image_id, category = entry.get('image_id'), entry.get('category_id')
        if not whole(image_id) or image_id not in gt.images:
            return f'image_id {image_id!r} is not among the {len(gt.images)} images of {gt.name}'
        if not whole(category) or category not in gt.categories:
            return f'category_id {category!r}, expected one of {list(gt.categories)}'
        if not numbers([entry.get('score')], 1):
            return f'score {entry.get("score")!r} of image {image_id}, expected a finite number'
        if boxes and not numbers(entry.get('bbox'), 4):
            return f'bbox {entry.get("bbox")!r} of image {image_id}, expected x, y, width and height'
        problem = rle_problem(entry.get('segmentation'), gt.images[image_id]) if masks else None
        return problem and f'{problem} (image {image_id})'
