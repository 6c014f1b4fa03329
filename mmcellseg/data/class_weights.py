"""Instance counts → class weights → image weights, and the share of cells that each class gets of an epoch."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

WEIGHTINGS = ('log', 'sqrt', 'inverse', 'none')
IMAGE_WEIGHTINGS = ('class', 'instance')


def class_weights(counts: ArrayLike, weighting: str = 'log') -> np.ndarray:
    """The weight (C,) ≥ 0 of each class from its number of instances (C,).

    With N instances in all and n_c of class c: ``'log'`` log(1 + N / n_c), ``'sqrt'`` √(N / n_c),
    ``'inverse'`` N / n_c, ``'none'`` 1. A class without instances is in no image that could be drawn for it:
    its weight is 0 by every weighting. With a single class every image that holds it weighs the same.

    Raises ``ValueError`` for an unknown weighting, or counts that are negative or not whole numbers.
    """
    if weighting not in WEIGHTINGS:
        raise ValueError(f'unknown weighting {weighting!r}: expected one of {", ".join(WEIGHTINGS)}')
    given = np.asarray(counts)
    n = given.astype(np.float64).ravel()
    for c in np.flatnonzero(~np.isfinite(n) | (n < 0) | (n != np.round(n)))[:1]:
        raise ValueError(f'instance counts must be whole numbers ≥ 0, found {given.ravel()[c]} for class {c}')
    ratio = np.divide(n.sum(), n, out=np.zeros_like(n), where=n > 0)
    if weighting == 'log':
        return np.log1p(ratio)
    if weighting == 'sqrt':
        return np.sqrt(ratio)
    return ratio if weighting == 'inverse' else (n > 0).astype(np.float64)


def image_weights(image_counts: np.ndarray, weights: ArrayLike, by: str = 'class') -> np.ndarray:
    """The weight (I,) with which each image is drawn, not normalised, from (I, C) instances and (C,) class weights.

    ``'class'`` is the mean weight of the classes present in the image, however many instances each has there
    (the published recipe); ``'instance'`` is the mean weight of the image's instances. An image without cells
    weighs as much as the lightest image with cells, so that it is still drawn as background; where no image has
    cells, all weigh 1. Raises ``ValueError`` for an unknown ``by``.
    """
    if by not in IMAGE_WEIGHTINGS:
        raise ValueError(f'unknown image weighting {by!r}: expected one of {", ".join(IMAGE_WEIGHTINGS)}')
    counts = np.asarray(image_counts, dtype=np.float64)
    parts = (counts > 0).astype(np.float64) if by == 'class' else counts
    total = parts.sum(1)
    result = np.divide(parts @ np.asarray(weights, np.float64), total, out=np.zeros(len(counts)), where=total > 0)
    empty = total == 0
    result[empty] = result[~empty].min() if (~empty).any() else 1.0
    return result


def expected_shares(image_counts: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """The expected share (C,) of each class among the cells of an epoch; the shares sum to 1, or all are 0.

    A draw (with replacement) takes image i with probability w_i / Σw, so class c expects Σ_i p_i n_ic cells. Without
    ``weights`` (I,) every image is drawn alike. ``image_counts``: (I, C) instances.
    """
    counts = np.asarray(image_counts, dtype=np.float64)
    return shares((np.ones(len(counts)) if weights is None else np.asarray(weights, np.float64)) @ counts)


def shares(counts: ArrayLike) -> np.ndarray:
    """(C,) counts as shares of their sum; zeros where the sum is 0."""
    n = np.asarray(counts, dtype=np.float64)
    return n / n.sum() if n.sum() > 0 else np.zeros_like(n)


def exposure_table(
    names: Sequence[str],
    image_counts: np.ndarray,
    weights: Sequence[float] | np.ndarray,
    weight_of_image: np.ndarray | None,
) -> str:
    """The balance of a data set as text: per class the instances, images, weight and expected shares of cells.

    From (C,) names, (I, C) instances, (C,) class weights and (I,) image weights, None where images are drawn alike.
    """
    plain, balanced = expected_shares(image_counts), expected_shares(image_counts, weight_of_image)
    head = ('class', 'instances', 'images', 'weight', 'plain share', 'balanced share')
    counts = np.asarray(image_counts)
    rows = [
        (name, f'{n:,}', f'{images:,}', f'{w:.3f}', f'{p:.2%}', f'{b:.2%}')
        for name, n, images, w, p, b in zip(names, counts.sum(0), (counts > 0).sum(0), weights, plain, balanced)
    ]
    total = ('all', f'{counts.sum():,}', f'{len(counts):,}', '', f'{plain.sum():.0%}', f'{balanced.sum():.0%}')
    return text_table(head, [*rows, total])


def text_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; the first to the left, the others to the right."""
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    lines = [
        '  '.join(f'{c:<{w}}' if i == 0 else f'{c:>{w}}' for i, (c, w) in enumerate(zip(row, widths)))
        for row in [head, *rows]
    ]
    return '\n'.join([lines[0], '-' * len(lines[0]), *lines[1:]])
