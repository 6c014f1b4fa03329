"""Second guesses: masks that lie under better ones."""

import numpy as np

from ..structures.masks import InstanceMasks


def hidden_by_better(masks: InstanceMasks, share: float = 0.5) -> np.ndarray:
    """Which of ranked masks, the best first, lie under better ones by more than ``share`` of their px.

    A mask that is hidden itself hides no other. This is the test of Kirillov et al. 2019, "Panoptic
    Segmentation", section 7, for which of overlapping instances a label map takes in.

    Returns:
        (N,) bool.
    """
    taken = np.zeros((masks.height, masks.width), bool)
    hidden = np.zeros(len(masks), bool)
    areas = masks.areas
    for i, ((x1, y1, x2, y2), window) in enumerate(zip(masks.boxes.tolist(), masks.windows())):
        place, mask = taken[y1:y2, x1:x2], window != 0
        hidden[i] = np.count_nonzero(place & mask) > share * areas[i]
        if not hidden[i]:
            place |= mask
    return hidden
