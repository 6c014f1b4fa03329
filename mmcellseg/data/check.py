"""What is wrong, or only odd, in folders of class TIFFs: pure functions that return findings.

A finding never changes the data. Whoever leaves something out because of one says so in ``left_out``.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from ..structures.masks import InstanceMasks
from ..structures.overlaps import intersections
from .tiff import LARGEST_ID, printable

UNLABELLED = 'its cells are left out, and would be trained as background'
MANY_PIECES = 5  # of the only id of a file
# The smallest cell of the real training set has 11 px².
FEW_PIXELS = 10
# A resampled label map has thousands of values that are no id: from here on they share one finding.
LISTED_VALUES = 20


class Finding(NamedTuple):
    """One observation: its kind, the file, the class ('' if none), the id(s) as text, what was seen.

    ``left_out`` counts the cells that are missing from the converted data because of it.
    """

    kind: str
    file: str
    category: str
    id: str
    text: str
    left_out: int = 0

    def __str__(self) -> str:
        named = [f'class {self.category}'] if self.category else []
        named += [f'id {self.id}'] if self.id else []
        left_out = f' [{self.left_out} cells left out]' if self.left_out else ''
        return f'{self.kind}: {", ".join([printable(self.file), *named])}: {self.text}{left_out}'


class LabelledCells(NamedTuple):
    """The cells of one class file: ids (N,) ascending and their masks."""

    file: str
    category: str
    ids: np.ndarray
    masks: InstanceMasks


def integer_ids(values: np.ndarray, file: str, category: str) -> tuple[np.ndarray, list[Finding]]:
    """Turn the values of a label map (H, W) of any number type into ids, int64, and report those that are none.

    Pixels whose value is negative, fractional, not finite or beyond int64 become background.
    """
    if values.dtype.kind == 'b':
        return values.astype(np.int64), []
    with np.errstate(invalid='ignore'):
        ids = values.astype(np.int64)
    bad = (ids != values) | (ids < 0)
    if not bad.any():
        return ids, []
    ids[bad] = 0
    found, pixels = np.unique(values[bad], return_counts=True)
    negative, large = found < 0, (found >= LARGEST_ID) & (found < np.inf)
    findings = []
    for kind, chosen, expected in (
        ('negative id', negative, 'whole numbers from 0'),
        ('non-integer id', ~negative & ~large, 'whole numbers from 0'),
        ('id too large', large, 'ids below 2⁶³'),
    ):
        listed, count = found[chosen], pixels[chosen]
        if len(listed) > LISTED_VALUES:
            text = f'{len(listed)} different values on {count.sum()} px, expected {expected}'
            span = f'{listed[0]:g}…{listed[-1]:g}'
            findings.append(Finding(kind, file, category, span, text, len(listed)))
            continue
        for value, n in zip(listed.tolist(), count.tolist()):
            shown = f'{int(value)}' if value >= LARGEST_ID and value != np.inf else f'{value:g}'
            findings.append(Finding(kind, file, category, shown, f'{n} px hold this value, expected {expected}', 1))
    return ids, findings


def check_shape(values: np.ndarray, image_shape: tuple[int, int], file: str, category: str) -> list[Finding]:
    """Report a label map whose (H, W) is not the image's; none of its cells can be placed."""
    if values.shape == tuple(image_shape):
        return []
    found, expected = (' × '.join(map(str, shape)) for shape in (values.shape, image_shape))
    cells = int((np.unique(values) != 0).sum())
    text = f'the mask is {found} px (height × width), its image {expected} px; {UNLABELLED}'
    return [Finding('shape', file, category, '', text, cells)]


def piece_counts(masks: InstanceMasks) -> np.ndarray:
    """The number of 8-connected pieces of each mask, (N,)."""
    return np.array(
        [cv2.connectedComponents(masks.window(i), connectivity=8)[0] - 1 for i in range(len(masks))], np.int64
    )


def check_cells(cells: LabelledCells) -> list[Finding]:
    """Report a class file without cells, ids in several pieces, and cells of a few px; all are kept."""
    file, category, ids, masks = cells
    if not len(ids):
        return [Finding('empty mask', file, category, '', 'the label map holds no cell')]
    pieces, areas = piece_counts(masks), np.asarray(masks.areas)
    if len(ids) == 1 and pieces[0] >= MANY_PIECES:
        text = f'one id in {pieces[0]} pieces: a mask, not a label map? Number the cells (scipy.ndimage.label)'
        return [Finding('several pieces', file, category, str(ids[0]), text)]
    findings = [
        Finding('several pieces', file, category, str(ids[i]), f'one id in {pieces[i]} separate pieces')
        for i in np.flatnonzero(pieces > 1)
    ]
    findings += [
        Finding('few px', file, category, str(ids[i]), f'a cell of {areas[i]:.0f} px (under {FEW_PIXELS})')
        for i in np.flatnonzero(areas < FEW_PIXELS)
    ]
    return findings


def check_overlaps(classes: Sequence[LabelledCells]) -> list[Finding]:
    """Report every two cells of different classes of one image that share pixels; both keep them."""
    findings = []
    for number, first in enumerate(classes):
        for second in classes[number + 1 :]:
            for i, j, pixels in zip(*intersections(first.masks, second.masks)):
                other = f'class {second.category}, id {second.ids[j]}'
                text = f'{pixels} px are also of {other} ({second.file})'
                findings.append(Finding('overlap', first.file, first.category, str(first.ids[i]), text))
    return findings


def check_names(folder: str, names: Collection[str], known: Collection[str]) -> list[Finding]:
    """Report the entries of a folder that the layout does not know; nobody reads them."""
    findings = []
    for name in sorted(set(names) - set(known)):
        text = 'not part of the layout, not read'
        if re.fullmatch(r'class\d+\.tif', name):
            text += '; its cells would be trained as background: name all classes with --classes'
        elif Path(name).stem == 'image' and 'image.tif' not in names:
            text += '; expected image.tif'
        findings.append(Finding('unknown file', f'{folder}/{name}' if folder else name, '', '', text))
    return findings


def check_duplicates(digests: Iterable[tuple[str, str]]) -> list[Finding]:
    """Report images, given as (file, digest of the pixels), that repeat an earlier one; they are kept."""
    first: dict[str, str] = {}
    findings = []
    for file, digest in digests:
        if digest in first:
            text = f'the same pixels as {first[digest]}'
            findings.append(Finding('duplicate image', file, '', '', text))
        else:
            first[digest] = file
    return findings
