"""Bootstrap intervals over images: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.

Cells of one image are no independent draws, so that images are drawn and not cells. With few images the intervals are
too narrow.
"""

from collections.abc import Callable, Mapping

import numpy as np


def bootstrap_intervals(
    figures: Callable[[np.ndarray], Mapping[str, float]],
    images: int,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """The percentile interval (low, high) of each figure over draws of as many images as there are, with replacement.

    ``figures`` gives those of the images at the positions (M,), in which an image may come many times, as
    :meth:`mmcellseg.evaluation.evaluate.Evaluation.figures` does. A draw in which a figure is not defined (no cell of a
    class) is left out; NaN where it is defined in none. Raises ``ValueError`` for fewer than one image or draw, or a
    confidence outside of 0 to 1.
    """
    if images < 1 or resamples < 1 or not 0 < confidence < 1:
        raise ValueError(
            f'expected an image and a draw or more and a confidence between 0 and 1, found {images} images, '
            f'{resamples} draws and {confidence}'
        )
    rng = np.random.default_rng(seed)
    drawn = [figures(rng.integers(0, images, images)) for _ in range(resamples)]
    ends = (0.5 - confidence / 2, 0.5 + confidence / 2)
    out = {}
    for key in drawn[0]:
        values = np.array([one[key] for one in drawn])
        values = values[~np.isnan(values)]
        low, high = np.quantile(values, ends).tolist() if len(values) else (float('nan'), float('nan'))
        out[key] = (low, high)
    return out
