"""A COCO results list as columns, checked against the ground truth it is for."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..structures.results_rules import BOX_SIZE, EMPTY_MASK, MASK_OUTSIDE, REPEATED, SCORE_RANGE, examine
from ..structures.rle import decode_rles
from .ground_truth import GroundTruth
from .instances import EvaluationError, Instances

# A model may predict these; they find nothing, or count once more.
_BEARABLE = {BOX_SIZE, EMPTY_MASK, MASK_OUTSIDE, REPEATED, SCORE_RANGE}


class Predictions(Instances):
    """A COCO results list, checked against the ground truth it is for. ``scores`` is (N,) float64.

    Only what would make the figures meaningless is refused, by the name of the first such entry (``EvaluationError``);
    an empty mask or a box without area counts as a prediction that finds nothing.
    """

    def __init__(self, entries: Sequence[Mapping], gt: GroundTruth, *, boxes: bool = True, masks: bool = True):
        self.images = gt.images
        self.runs = None
        if not self._fill(entries, gt, boxes, masks):
            violations, _ = examine(entries, gt.images, gt.categories, boxes=boxes, masks=masks)
            for violation in violations:
                if violation.rule not in _BEARABLE:
                    raise EvaluationError(f'prediction {violation}')
            raise EvaluationError('predictions of unexpected types, expected numbers, strings and lists')

    def _fill(self, entries: Sequence[Mapping], gt: GroundTruth, boxes: bool, masks: bool) -> bool:
        """Set the columns; False if anything looks wrong in any entry."""
        try:
            image_ids = np.array([e['image_id'] for e in entries] or np.zeros(0, int))
            category_ids = np.array([e['category_id'] for e in entries] or np.zeros(0, int))
            self.scores = np.array([e['score'] for e in entries], np.float64)
            columns = [e['bbox'] for e in entries] if boxes else np.zeros((len(entries), 4))
            self.boxes = np.array(columns, np.float64).reshape(len(entries), 4)
            sizes = [gt.images[i] for i in image_ids.tolist()]
            rles = [e['segmentation'] for e in entries] if masks else []
            fits = not masks or [tuple(rle['size']) for rle in rles] == sizes
            coded = {type(rle['counts']) for rle in rles} <= {str, bytes}
            integers = image_ids.dtype.kind in 'iu' and category_ids.dtype.kind in 'iu'
            finite = bool(np.isfinite(self.scores).all() and np.isfinite(self.boxes).all())
            if not (integers and finite and fits and coded and set(category_ids.tolist()) <= set(gt.categories)):
                return False
            self.image_ids, self.category_ids = image_ids.astype(np.int64), category_ids.astype(np.int64)
        except (KeyError, OverflowError, TypeError, ValueError):
            return False
        if masks:
            counts, splits, problems = decode_rles(rles, np.array(sizes, np.int64).reshape(-1, 2))
            self.runs = counts, splits
            return not problems
        return True
