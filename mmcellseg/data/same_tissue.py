"""Which images show the same or adjoining tissue: crops of one scan that overlap or share an edge.

Neither test looks at colours: a change of brightness, contrast or saturation leaves the place of a corner and the way
in which an edge goes on as they are. Crops are taken as neither turned nor enlarged against one another.

Measured on CoNSeP's 27 labelled tiles, each crop jittered by ± 10 %: all quarters of 500 px come together, and so do
all crops with at least 100 × 150 px in common; of rows of three crops that share edges of 400 px, 26 of 27. An edge
that is all but blank, or shorter than 96 px, tells nothing, and crops that lie apart on a slide are not recognised.
"""

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from tqdm import tqdm

from .tiff import ImageReadError, read_image

PATCH = 10  # px from a corner to the side of the patch that describes it
CORNER_AREA = 600  # px² of image for each corner that is kept
MAX_CORNERS = 1000
MIN_VOTES = 2  # corners that must agree on a displacement before the pixels are compared
PIXEL_CORRELATION = 0.5  # crops of one CoNSeP tile under jitter: 0.9 and more; of different tiles: 0.1 and less
MIN_SIDE = 32  # px of the shorter side of an overlap
MIN_EDGE = 96  # px of edge that two neighbours must share
EDGE_CORRELATION = 0.85
# Jittered quarters of CoNSeP tiles (500 px): neighbours reach 2.3 and more, strangers 1.6. At 250 px: neighbours 2.3,
# but 0 on blank edges, strangers 1.8. Drawn tissue at 240 px: neighbours 2.7, 4 of 9,000 strangers more than 2.
EDGE_EVIDENCE = 2.0
NEIGHBOURS = (('right', 'left'), ('bottom', 'top'), ('left', 'right'), ('top', 'bottom'))


class Edge(NamedTuple):
    """One side of an image: its grey values, and how many px of them count as one independent value."""

    values: np.ndarray  # (L,) float32, half a pixel outside the image, less their slow changes; zeros if blank
    period: float  # 1 + 2 Σ ρ(k)², ρ the autocorrelation (Bartlett's formula)


class Fingerprint(NamedTuple):
    """What is compared of an image (H, W)."""

    detail: np.ndarray  # (H, W) int8, grey values without their slow changes
    corners: np.ndarray  # (K, 2) int xy
    patches: np.ndarray  # (K, 121) float32 of mean 0 and norm 1, the grey values around each corner
    edges: dict[str, Edge]  # top, bottom, left and right


def fingerprint(image: np.ndarray) -> Fingerprint:
    """Of an RGB uint8 image (H, W, 3)."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.0)
    corners = _corners(grey)
    reach = np.arange(-PATCH, PATCH + 1, 2)
    x, y = corners[:, 0, None, None], corners[:, 1, None, None]
    patches = smooth[y + reach[:, None], x + reach].reshape(len(corners), reach.size**2)
    patches = patches - patches.mean(1, keepdims=True)
    patches /= np.linalg.norm(patches, axis=1, keepdims=True) + 1e-6
    detail = np.rint((smooth - cv2.GaussianBlur(grey, (0, 0), 8.0)).clip(-127, 127)).astype(np.int8)
    rows = {'top': grey[:2], 'bottom': grey[:-3:-1], 'left': grey.T[:2], 'right': grey.T[:-3:-1]}
    return Fingerprint(detail, corners, patches, {side: _edge(pair) for side, pair in rows.items()})


def _corners(grey: np.ndarray) -> np.ndarray:
    """The strongest local maxima of the smaller eigenvalue of the structure tensor (Shi and Tomasi, CVPR 1994)."""
    strength = cv2.cornerMinEigenVal(cv2.GaussianBlur(grey, (0, 0), 1.5), 7, ksize=3)
    peak = (cv2.dilate(strength, np.ones((17, 17))) == strength) & (strength > 0)
    peak[:PATCH] = peak[-PATCH:] = False
    peak[:, :PATCH] = peak[:, -PATCH:] = False
    y, x = np.nonzero(peak)
    best = np.argsort(-strength[y, x], kind='stable')[: min(MAX_CORNERS, max(30, grey.size // CORNER_AREA))]
    return np.stack([x[best], y[best]], 1)


def _edge(pair: np.ndarray) -> Edge:
    """Two outermost lines (2, L), the outer one first, carried on by half a pixel, where the neighbour's meet them."""
    line = cv2.GaussianBlur((1.5 * pair[0] - 0.5 * pair[-1]).reshape(1, -1), (0, 0), 1.0)
    line = (line - cv2.GaussianBlur(line, (0, 0), 15.0))[0]
    if line.std() < 1:
        return Edge(np.zeros_like(line), 1.0)
    padded = np.pad(line, (0, len(line)))
    same = _correlate(padded, padded[None])[0]
    return Edge(line, float(1 + 2 * ((same[1 : len(line) // 2] / same[0]) ** 2).sum()))


def displacement(a: Fingerprint, b: Fingerprint) -> tuple[np.ndarray, int]:
    """The displacement xy on which most of the mutually best matching corners agree within 1 px, and how many do."""
    moved = np.zeros((0, 2), int)
    if len(a.corners) and len(b.corners):
        likeness = a.patches @ b.patches.T
        mate = likeness.argmax(1)
        mutual = (likeness.argmax(0)[mate] == np.arange(len(mate))) & (likeness.max(1) > 0.7)
        moved = a.corners[mutual] - b.corners[mate[mutual]]
    if not len(moved):
        return np.zeros(2, int), 0
    votes = (np.abs(moved[:, None] - moved[None]) <= 1).all(-1).sum(1)
    return moved[votes.argmax()], int(votes.max())


def overlaps(a: Fingerprint, b: Fingerprint) -> bool:
    """Whether a part of the tissue is in both images."""
    (x, y), votes = displacement(a, b)
    if votes < MIN_VOTES:
        return False
    first = a.detail[max(y, 0) : y + b.detail.shape[0], max(x, 0) : x + b.detail.shape[1]].astype(np.float32)
    second = b.detail[max(-y, 0) :, max(-x, 0) :][: first.shape[0], : first.shape[1]].astype(np.float32)
    if min(first.shape) < MIN_SIDE:
        return False
    least = first.size / 16  # a mean square under (a quarter of a grey value)² is blank, and its noise proves nothing
    norm = float(np.sqrt(max((first**2).sum(), least) * max((second**2).sum(), least)))
    return float((first * second).sum()) / norm > PIXEL_CORRELATION


def edge_evidence(first: Edge, seconds: Sequence[Edge]) -> np.ndarray:
    """How far one edge agrees with each of others (N,) at the best displacement.

    Edges must have at least ``MIN_EDGE`` px and half of the shorter in common. A correlation r ≥ ``EDGE_CORRELATION``
    counts as artanh(r) · √(n / period) (Fisher's transform), where n = Σx² Σy² / Σx²y² is the number of px that take
    part: one dark nucleus on a blank edge is no evidence. It counts 0.7 where less than 95 % of the shorter edge
    is in common, for there are many such displacements to agree on by chance.
    """
    x, period = first
    lengths = np.array([len(s.values) for s in seconds])
    width = 1 << int(len(x) + lengths.max() - 1).bit_length()
    stack = np.stack([np.pad(s.values, (0, width - len(s.values))) for s in seconds])
    # Element k of a correlation is the sum over i of x[i + k] · y[i], negative k at the end.
    shift = np.arange(width)
    shift[shift >= len(x)] -= width
    common = np.minimum(len(x), lengths[:, None] + shift) - np.maximum(shift, 0)
    floor = np.maximum(common, 1)  # a mean square under 1 grey value² is blank
    energy = np.maximum(_correlate(x**2, (stack != 0).astype(np.float32)), floor)
    energy = energy * np.maximum(_correlate(np.ones_like(x), stack**2), floor)
    independent = energy / np.maximum(_correlate(x**2, stack**2), floor)
    independent /= np.sqrt(period * np.array([s.period for s in seconds]))[:, None]
    shorter = np.minimum(len(x), lengths)[:, None]
    r = _correlate(x, stack) / np.sqrt(energy)
    r = np.where((common >= np.maximum(MIN_EDGE, shorter // 2)) & (r >= EDGE_CORRELATION), r, 0).clip(0, 0.999)
    part = np.where(common >= 0.95 * shorter, 1.0, 0.7)
    return (np.arctanh(r) * np.sqrt(independent.clip(0)) * part).max(1)


def _correlate(first: np.ndarray, stack: np.ndarray) -> np.ndarray:
    width = stack.shape[1]
    return np.fft.irfft(np.fft.rfft(first, width) * np.fft.rfft(stack).conj(), width)


def tissue_links(prints: Sequence[Fingerprint]) -> Iterator[tuple[int, int]]:
    """Pairs (i, j), i < j, of images that overlap or adjoin."""
    for i in tqdm(range(len(prints) - 1), desc='compare tissue'):
        others = prints[i + 1 :]
        adjoin = np.zeros(len(others), bool)
        for a, b in NEIGHBOURS:
            adjoin |= edge_evidence(prints[i].edges[a], [other.edges[b] for other in others]) >= EDGE_EVIDENCE
        for j, other in enumerate(others):
            if adjoin[j] or overlaps(prints[i], other):
                yield i, i + 1 + j


def tissue_labels(prints: Sequence[Fingerprint]) -> np.ndarray:
    """(N,) the group of each image, numbered in their order: those that overlap or adjoin, also through others."""
    i, j = np.array(list(tissue_links(prints)), int).reshape(-1, 2).T
    return connected_components(coo_array((np.ones(len(i)), (i, j)), (len(prints),) * 2), directed=False)[1]


def tissue_groups(paths: Sequence[str | os.PathLike]) -> list[str]:
    """A group name for each image, as :func:`tissue_labels`. Raises ValueError, OSError: an image cannot be read."""
    labels = tissue_labels([fingerprint(_read_comparable(path)) for path in tqdm(paths, desc='read images')])
    return [f'tissue{label:0{len(str(len(paths)))}d}' for label in labels]


def _read_comparable(path: str | os.PathLike) -> np.ndarray:
    """An image as RGB uint8 (H, W, 3); values that need a rule are spread between their percentiles."""
    try:
        return read_image(path)
    except ImageReadError:
        return read_image(path, scale='percentile')
