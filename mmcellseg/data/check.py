"""What is wrong, or only odd, in folders of class TIFFs: pure functions that return findings.

A finding never changes the data. Whoever leaves something out because of one says so in ``left_out``.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from ..structures.masks import InstanceMasks
from ..structures.overlaps import intersections
from .tiff import LARGEST_ID, printable, whole_ids

UNLABELLED = 'its cells are left out, and would be trained as background'
FEW_PIXELS = 10  # the smallest cell of the real training set has 11 px²
# A resampled label map has thousands of values that are no id: from here on they share one finding.
LISTED_VALUES = 20


class Finding(NamedTuple):
    """One observation: its kind, the file, the class and the id(s) if there are any, what was seen.

    ``left_out`` counts the cells that are missing from the converted data because of it.
    """

    kind: str
    file: str
    category: str = ''
    id: str = ''
    text: str = ''
    left_out: int = 0

    def __str__(self) -> str:
        named = [printable(self.file)]
        named += [f'{what} {name}' for what, name in (('class', self.category), ('id', self.id)) if name]
        left_out = f' [{self.left_out} cells left out]' if self.left_out else ''
        return f'{self.kind}: {", ".join(named)}: {self.text}{left_out}'


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
    ids, bad = whole_ids(values)
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
        listed, count = found[chosen].tolist(), pixels[chosen].tolist()
        if len(listed) > LISTED_VALUES:
            text = f'{len(listed)} different values on {sum(count)} px, expected {expected}'
            span = f'{listed[0]:g}…{listed[-1]:g}'
            findings.append(Finding(kind, file, category, span, text, len(listed)))
            continue
        for value, n in zip(listed, count):
            shown = f'{int(value)}' if kind == 'id too large' else f'{value:g}'
            findings.append(Finding(kind, file, category, shown, f'{n} px hold this value, expected {expected}', 1))
    return ids, findings


def check_cells(cells: LabelledCells) -> list[Finding]:
    """Report a class file without cells, ids in several 8-connected pieces, and cells of a few px; all are kept."""
    file, category, ids, masks = cells
    if not len(ids):
        return [Finding('empty mask', file, category, text='the label map holds no cell')]
    pieces = np.array([cv2.connectedComponents(window, connectivity=8)[0] - 1 for window in masks.windows()])
    areas = np.asarray(masks.areas)
    seen = [('several pieces', i, f'one id in {pieces[i]} separate pieces') for i in np.flatnonzero(pieces > 1)]
    small = np.flatnonzero(areas < FEW_PIXELS)
    seen += [('few px', i, f'a cell of {areas[i]:.0f} px (under {FEW_PIXELS})') for i in small]
    return [Finding(kind, file, category, str(ids[i]), text) for kind, i, text in seen]


def check_overlaps(classes: Sequence[LabelledCells]) -> list[Finding]:
    """Report every two cells of different classes of one image that share pixels; both keep them."""
    findings = []
    for number, first in enumerate(classes):
        for second in classes[number + 1 :]:
            for i, j, pixels in zip(*intersections(first.masks, second.masks)):
                text = f'{pixels} px are also of class {second.category}, id {second.ids[j]} ({second.file})'
                findings.append(Finding('overlap', first.file, first.category, str(first.ids[i]), text))
    return findings


def check_names(folder: str, names: Collection[str], known: Collection[str]) -> list[Finding]:
    """Report the entries of a folder that the layout does not know; nobody reads them."""
    findings = []
    for name in sorted(set(names) - set(known)):
        text = 'not part of the layout, not read'
        if re.fullmatch(r'class\d+\.tif', name):
            text += '; its cells would be trained as background: name all classes with --classes'
        findings.append(Finding('unknown file', f'{folder}/{name}' if folder else name, text=text))
    return findings


def check_duplicates(digests: Iterable[tuple[str, str]]) -> list[Finding]:
    """Report images, given as (file, digest of the pixels), that repeat an earlier one; they are kept."""
    first: dict[str, str] = {}
    twice = [(file, first[digest]) for file, digest in digests if first.setdefault(digest, file) != file]
    return [Finding('duplicate image', file, text=f'the same pixels as {other}') for file, other in twice]
