"""Split a COCO json by its images, and parts of a data set that are alike in every class."""

import json
import logging
import os
from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from ..structures.coco import Coco
from ..structures.files import atomic_write

TOLERANCE = 0.01  # shares this near to the fraction are as good; thousands of images are exchanged in seconds then


def subset(coco: Coco, image_ids: Collection[int]) -> Coco:
    """The json with the images of these ids only, in the same order, and their annotations; ids are kept."""
    wanted = set(image_ids)
    images = [image for image in coco['images'] if image['id'] in wanted]
    return {
        **coco,
        'images': images,
        'annotations': [a for a in coco.get('annotations') or () if a['image_id'] in wanted],
    }


def write_subset(coco: Coco, image_ids: Collection[int], path: str | os.PathLike) -> Path:
    """Write ``subset(coco, image_ids)`` to ``path`` and return it."""
    return atomic_write(path, json.dumps(subset(coco, image_ids)))


def image_class_counts(coco: Coco) -> tuple[np.ndarray, np.ndarray]:
    """The image ids, ascending (I,), and their numbers of instances per category in the json's order (I, C)."""
    image_ids = np.array(sorted(image['id'] for image in coco['images']), np.int64)
    row = {i: r for r, i in enumerate(image_ids.tolist())}
    column = {category['id']: c for c, category in enumerate(coco['categories'])}
    counts = np.zeros((len(row), len(column)), np.int64)
    for annotation in coco.get('annotations') or ():
        counts[row[annotation['image_id']], column[annotation['category_id']]] += 1
    return image_ids, counts


def shares_of(counts: np.ndarray, sizes: ArrayLike) -> np.ndarray:
    """(G, C + 1) of each group's share of every class, from (G, C) instances, and of the images, from (G,) sizes."""
    # The images count as one class more, so that the parts come out alike in size too.
    columns = np.column_stack([counts, np.asarray(sizes)]).astype(np.float64)
    return columns / np.maximum(columns.sum(0), 1)


def exchange(
    columns: np.ndarray, part: np.ndarray, aims: np.ndarray, cost: np.ndarray, tolerance: float = 0.0
) -> np.ndarray:
    """Take the best single move or exchange of two groups until none helps; a function of the arguments alone.

    What counts first is the cost of all (part, column) pairs that hold nothing, then the squared distance of all
    shares from the aims. There are at most 500 changes.

    Args:
        columns: (G, W) share of each group in every column; a column sums to 1, or to 0.
        part: (G,) part of each group, from 0, to begin with; this is also what is returned.
        aims: (P,) share of everything that each part should hold.
        cost: (P,) whole numbers: how bad it is that a column is empty in this part.
        tolerance: Stop where no part lacks a column and no share is off by more than this part of the aim.
    """
    n, width = columns.shape
    parts = len(aims)
    # A move is an exchange with one of as many stand-ins as there are parts, which hold nothing.
    share = np.concatenate([columns, np.zeros((parts, width))])
    holds = (share > 0).astype(np.int64)
    part = np.concatenate([part, np.arange(parts)])
    for _ in range(500):
        off = np.array([share[part == k].sum(0) - aims[k] for k in range(parts)])
        holders = np.array([holds[part == k].sum(0) for k in range(parts)])
        used = holds.any(0)
        if holders[:, used].all() and (np.abs(off[:, used]) <= tolerance * aims[:, None]).all():
            break
        best, change = (0, -1e-9), None
        for group in range(n):
            here, there = part[group], part
            added, gain = share - share[group], holds - holds[group]  # (n + parts, width): `here` gains, `there` loses
            missing = cost[here] * ((holders[here] + gain == 0).sum(1) - (holders[here] == 0).sum())
            missing += cost[there] * ((holders[there] - gain == 0).sum(1) - (holders[there] == 0).sum(1))
            spread = ((off[here] + added) ** 2 - off[here] ** 2).sum(1)
            spread += ((off[there] - added) ** 2 - off[there] ** 2).sum(1)
            missing[there == here], spread[there == here] = 0, 0
            other = np.lexsort((spread, missing))[0]
            if (missing[other], spread[other]) < best:
                best, change = (missing[other], spread[other]), (group, other)
        if change is None:
            break
        group, other = change
        part[group], came_from = part[other], part[group]
        if other < n:
            part[other] = came_from
    return part[:n]


def holdout_split(coco: Coco, fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """Draw (training ids, validation ids), disjoint and complete, each ascending.

    A random draw, then images move or change sides until validation holds ``fraction`` of the cells of every class
    and of the images, as nearly as that can be. A class that is in one image only stays in training.
    Raises ``ValueError`` unless 0 < fraction < 1 and there are two images.
    """
    if not 0 < fraction < 1:
        raise ValueError(f'the hold-out fraction must lie between 0 and 1, got {fraction}')
    image_ids, counts = image_class_counts(coco)
    n = len(image_ids)
    if n < 2:
        raise ValueError(f'a hold-out split needs two images, there are {n}')
    columns = shares_of(counts, np.ones(n))
    drawn = np.random.default_rng(seed).permutation(n)[: min(max(round(fraction * n), 1), n - 1)]
    side = np.zeros(n, np.int64)
    side[drawn] = 1
    # No class that validation lacks is worth one that training lacks.
    cost = np.array([columns.shape[1] + 1, 1])
    side = exchange(columns, side, np.array([1 - fraction, fraction]), cost, TOLERANCE)
    if not side.any():  # a class each in one image only: training holds them all
        side[drawn] = 1
    return image_ids[side == 0].tolist(), image_ids[side == 1].tolist()


def unbalanced(coco: Coco, validation: Collection[int], fraction: float) -> list[str]:
    """The classes, and the cells in all, of which less than half or more than twice ``fraction`` is in validation."""
    image_ids, counts = image_class_counts(coco)
    counts = np.column_stack([counts, counts.sum(1)])
    inside, total = counts[np.isin(image_ids, list(validation))].sum(0).tolist(), counts.sum(0).tolist()
    names = [*(category['name'] for category in coco['categories']), 'all classes']
    return [
        f'{name} {part:,} of {whole:,}'
        for name, part, whole in zip(names, inside, total)
        if whole and not (fraction / 2 <= part / whole <= 2 * fraction and part < whole)
    ]


def write_holdout(coco: Coco, fraction: float, seed: int, folder: Path) -> tuple[Path, Path]:
    """Split ``coco`` into train_holdout.json and val_holdout.json of a folder. Raises as holdout_split."""
    training, validation = holdout_split(coco, fraction, seed)
    if odd := unbalanced(coco, validation, fraction):
        logging.getLogger(__name__).warning(
            'The images cannot be split so that %g %% of the cells of every class are held out: validation has %s. '
            'Figures on it may mislead; the folds of split_folds.py validate every image.',
            100 * fraction,
            ', '.join(odd),
        )
    files = {'train_holdout.json': training, 'val_holdout.json': validation}
    train, val = (write_subset(coco, ids, folder / name) for name, ids in files.items())
    return train, val
