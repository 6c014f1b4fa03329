"""Bootstrap intervals over images: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.

Cells of one image are no independent draws, so that images are drawn and not cells. With few images the intervals are
too narrow.
"""

from collections.abc import Callable, Mapping

import numpy as np

_ENDS = (0.5 - 0.95 / 2, 0.5 + 0.95 / 2)


def bootstrap_intervals(
    figures: Callable[[np.ndarray], Mapping[str, float]], images: int, resamples: int = 1000
) -> dict[str, tuple[float, float]]:
    """The 95 % interval (low, high) of each figure over seeded draws of as many images as there are, with replacement.

    ``figures`` gives those of the images at the positions (M,), in which an image may come many times, as
    :meth:`mmcellseg.evaluation.evaluate.Evaluation.figures` does. A draw in which a figure is not defined (no cell of a
    class) is left out; NaN where it is defined in none.
    """
    rng = np.random.default_rng(0)
    drawn = [figures(rng.integers(0, images, images)) for _ in range(resamples)]
    out = {}
    for key in drawn[0]:
        values = np.array([one[key] for one in drawn])
        values = values[~np.isnan(values)]
        low, high = np.quantile(values, _ENDS).tolist() if len(values) else (float('nan'), float('nan'))
        out[key] = (low, high)
    return out
