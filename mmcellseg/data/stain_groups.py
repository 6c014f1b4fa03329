"""Groups of images that look like one slide, for folds that do not leak.

Two images share a group if

1. they overlap or adjoin (``same_tissue``), or
2. their stain differs no more than the parts of single images differ among themselves.

The first holds under any common change of brightness, contrast and saturation, and is what keeps crops of one tile
together. Measured on CoNSeP's 27 labelled tiles, each crop jittered by ± 10 %: all quarters of 500 px come together,
and so do all crops with at least 100 × 150 px in common; of rows of three crops that share edges of 400 px, 26 of 27.
An edge that is all but blank, or shorter than 96 px, tells nothing.

The second is a help and no guarantee. Within one laboratory, slides often differ less in stain than the parts of one
image do: of two crops of a CoNSeP tile with 200 px between them, 13 of 27 pairs come together as they are, and 5 under
jitter. Where slides differ clearly, so that no group need be parted to keep groups small, distant crops do come
together. The tolerance starts at what the parts of any image need, and falls until no group holds more than
``LARGEST_SHARE`` of the images; the log says so. Who knows the slides should name them in a file.
"""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from zlib import crc32

import cv2
import numpy as np
from tqdm import tqdm

from .same_tissue import fingerprint, tissue_links
from .tiff import ImageReadError, read_image

LARGEST_SHARE = 0.2  # one of five folds
SLACK = 1.5  # whole images lie further apart on a slide than their quarters
JITTER = 0.1  # ± brightness, contrast and saturation that must not part images
SAMPLE = 10_000  # pixels a part
JITTERED = 3  # copies of each part
GREY = np.array([0.299, 0.587, 0.114], np.float32)
logger = logging.getLogger(__name__)


@dataclass
class StainGrouping:
    """What ``group_stains`` found.

    Attributes:
        labels: (N,) int64 group of each image, from 0 in order of the images.
        tolerance: The distance up to which images were joined.
        lowered: Whether a smaller tolerance than single images need was taken, to keep groups small.
    """

    labels: np.ndarray
    tolerance: float
    lowered: bool


def stain_groups(paths: Sequence[str | os.PathLike]) -> list[str]:
    """A group name for each image; the same paths give the same names.

    Raises:
        ValueError, OSError: If an image cannot be read.
    """
    prints, stains = [], []
    for path in tqdm(paths, desc='read stains'):
        image = read_comparable(path)
        prints.append(fingerprint(image))
        stains.append(part_stains(image, np.random.default_rng(crc32(image.tobytes()))))
    if not prints:
        return []
    tissue = connected(len(prints), list(tissue_links(prints)))
    found = group_stains(np.array(stains), tissue)
    logger.warning(
        'Overlap and common edges make %d groups of %d images, stain makes them %d. %s Slides that were named in a '
        'file would be safer.',
        tissue.max() + 1,
        len(prints),
        found.labels.max() + 1,
        'Stain tells these slides apart too little: its tolerance was lowered to keep groups small, and crops of a '
        'slide that neither overlap nor adjoin may part.'
        if found.lowered
        else 'Crops of a slide that neither overlap nor adjoin come together only where their stain is alike.',
    )
    width = len(str(len(prints)))
    return [f'stain{label:0{width}d}' for label in found.labels]


def read_comparable(path: str | os.PathLike) -> np.ndarray:
    """An image as RGB uint8 (H, W, 3); values that need a rule are spread between their percentiles."""
    try:
        return read_image(path)
    except ImageReadError:
        return read_image(path, scale='percentile')


def jitter(pixels: np.ndarray, rng: np.random.Generator, amount: float = JITTER) -> np.ndarray:
    """Brightness, contrast and saturation of (..., 3) RGB uint8, each times 1 ± ``amount``; float32 in 0–1."""
    bright, contrast, saturation = 1 + rng.uniform(-amount, amount, 3)
    x = pixels.astype(np.float32) / 255 * bright
    mean = x.mean()
    x = (x - mean) * contrast + mean
    grey = (x @ GREY)[..., None]
    return ((x - grey) * saturation + grey).clip(0, 1)


def part_stains(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Stain features (4 · ``JITTERED``, F) of the quarters of an RGB uint8 image (H, W, 3), each jittered anew."""
    h, w = image.shape[0] // 2, image.shape[1] // 2
    rows = []
    for part in (image[:h, :w], image[:h, w:], image[h:, :w], image[h:, w:]):
        pixels = part.reshape(-1, 3) if part.size else image.reshape(-1, 3)
        texture = _texture(part if min(part.shape[:2]) >= 8 else image)
        for _ in range(JITTERED):
            sample = pixels[rng.integers(0, len(pixels), SAMPLE)] if len(pixels) > SAMPLE else pixels
            rows.append(np.concatenate([_stain(jitter(sample, rng)), texture]))
    return np.array(rows)


def _stain(pixels: np.ndarray) -> np.ndarray:
    """Of (K, 3) RGB in 0–1: optical density, and chroma over luminance, both scaled so that jitter changes little."""
    density = -np.log(pixels.clip(1 / 255))
    grey = pixels @ GREY
    rest = pixels - grey[:, None]
    chroma = np.stack([(rest[:, 0] - rest[:, 2]) / 2**0.5, (rest[:, 0] - 2 * rest[:, 1] + rest[:, 2]) / 6**0.5], 1)
    hue = np.arctan2(chroma[:, 1], chroma[:, 0])
    chroma = chroma / (np.sqrt((chroma**2).sum(1).mean()) + 1e-6)
    order = np.argsort(grey, kind='stable')
    light = (grey - grey.mean()) / (grey.std() + 1e-6)
    spread = np.percentile(light, [5, 25, 75, 95])
    return np.concatenate(
        [density.mean(0), density.std(0), np.percentile(density, [10, 50, 90], axis=0).ravel()]
        + [chroma.mean(0), chroma.std(0), (chroma * light[:, None]).mean(0), [chroma.prod(1).mean()]]
        + [chroma[part].mean(0) for part in np.array_split(order, 6)]
        + [[np.cos(hue).mean(), np.sin(hue).mean()], spread]
    )


def _texture(part: np.ndarray) -> np.ndarray:
    """Of RGB uint8 (H, W, 3): how sharp the scan is, and how its channels' finest details go together."""
    fine = cv2.Laplacian(part.astype(np.float32), cv2.CV_32F).reshape(-1, 3)
    fine = (fine - fine.mean(0)) / (fine.std(0) + 1e-3)
    together = (fine[:, [0, 0, 1]] * fine[:, [1, 2, 2]]).mean(0)
    blurred: list[np.ndarray] = [cv2.cvtColor(part, cv2.COLOR_RGB2GRAY).astype(np.float32)]
    blurred += [cv2.GaussianBlur(blurred[0], (0, 0), sigma) for sigma in (0.7, 1.4, 2.8, 5.6)]
    energy = np.log([(a - b).std() + 1e-2 for a, b in pairwise(blurred)])
    return np.concatenate([together, energy - energy.mean()])


def connected(count: int, links: Sequence[tuple[int, int]]) -> np.ndarray:
    """(count,) int64 component of each image, numbered in order of the images."""
    parent = np.arange(count)
    for i, j in links:
        a, b = sorted((parent[i], parent[j]))
        parent[parent == b] = a
    return np.unique(parent, return_inverse=True)[1]


def group_stains(stains: np.ndarray, tissue: np.ndarray) -> StainGrouping:
    """Join groups of images by stain, none beyond ``LARGEST_SHARE`` of the images.

    Distances are Mahalanobis', with the covariance of the parts of single images. Complete linkage: all images of a
    group lie within the tolerance. It starts at ``SLACK`` times the largest distance within any image and falls
    until groups are small enough.

    Args:
        stains: (N, P, F) features of the parts of each image.
        tissue: (N,) groups that are joined already, from 0; they stay joined and may be of any size.
    """
    n = len(stains)
    within, between = stain_distances(stains)
    limit = max(2, int(LARGEST_SHARE * n))
    start = SLACK * float(within.max())
    for tolerance in [start, *np.unique(within)[::-1].tolist()]:
        labels = complete_linkage(between, tissue, tolerance)
        if np.bincount(labels).max() <= max(limit, np.bincount(tissue).max()):
            return StainGrouping(labels, tolerance, tolerance < start)
    return StainGrouping(tissue, 0.0, True)


def stain_distances(stains: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean distance between the parts of each image (N,), and of one image to those of another (N, N)."""
    n, parts, width = stains.shape
    inside = (stains - stains.mean(1, keepdims=True)).reshape(-1, width)
    covariance = inside.T @ inside / max(n * (parts - 1), 1)
    covariance = 0.9 * covariance + 0.1 * np.diag(np.diag(covariance)) + 1e-8 * np.eye(width)
    value, vector = np.linalg.eigh(covariance)
    flat = stains.reshape(-1, width) @ vector / np.sqrt(value.clip(1e-8))
    square = (flat**2).sum(1)
    between = np.zeros((n, n))
    for i in range(n):
        own = slice(i * parts, (i + 1) * parts)
        distance = np.sqrt((square[own, None] + square - 2 * flat[own] @ flat.T).clip(0))
        between[i] = distance.mean(0).reshape(n, parts).mean(1)
    between = (between + between.T) / 2
    return np.diag(between) * parts / max(parts - 1, 1), between


def complete_linkage(distance: np.ndarray, start: np.ndarray, tolerance: float) -> np.ndarray:
    """Join the two nearest groups while all their images lie within ``tolerance``; ties go to the lower number."""
    groups = start.max() + 1
    far = np.full((groups, groups), -np.inf)
    np.maximum.at(far, (start[:, None], start[None]), distance)
    np.fill_diagonal(far, np.inf)
    labels = np.arange(groups)
    while groups > 1:
        a, b = np.unravel_index(far.argmin(), far.shape)
        if far[a, b] > tolerance:
            break
        a, b = min(a, b), max(a, b)
        far[a] = far[:, a] = np.maximum(far[a], far[b])
        far[b] = far[:, b] = far[a, a] = np.inf
        labels[labels == b] = a
    return np.unique(labels[start], return_inverse=True)[1]
