"""Split a COCO json by its images."""

import json
import os
from collections.abc import Collection
from pathlib import Path

import numpy as np

from ..structures.coco import Coco, read_coco
from ..structures.files import atomic_write


def subset(coco: Coco, image_ids: Collection[int]) -> Coco:
    """The json with the images of these ids only, in the same order, and their annotations; ids are kept.

    Raises ``ValueError`` for ids that the json does not have.
    """
    wanted = set(image_ids)
    unknown = wanted - {image['id'] for image in coco['images']}
    if unknown:
        raise ValueError(f'these image ids are not in the json: {sorted(unknown)[:10]}')
    return {
        **coco,
        'images': [image for image in coco['images'] if image['id'] in wanted],
        'annotations': [a for a in coco.get('annotations') or () if a['image_id'] in wanted],
    }


def write_subset(coco: Coco, image_ids: Collection[int], path: str | os.PathLike) -> Path:
    """Write ``subset(coco, image_ids)`` to ``path`` and return it."""
    return atomic_write(path, json.dumps(subset(coco, image_ids)))


def image_class_counts(coco: Coco) -> tuple[np.ndarray, np.ndarray]:
    """The image ids, ascending (I,), and their numbers of instances per category in the json's order (I, C)."""
    image_ids = np.array(sorted(image['id'] for image in coco['images']), np.int64)
    row = {int(i): r for r, i in enumerate(image_ids)}
    column = {category['id']: c for c, category in enumerate(coco['categories'])}
    counts = np.zeros((len(row), len(column)), np.int64)
    for annotation in coco.get('annotations') or ():
        counts[row[annotation['image_id']], column[annotation['category_id']]] += 1
    return image_ids, counts


def holdout_split(coco: Coco, fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """Draw (training ids, validation ids), disjoint and complete, each ascending.

    The classes take turns, the one in the fewest images first: of its images that have no side yet, as many
    are drawn for validation as bring the class to ``fraction`` of its images there (at least one, and one
    stays in training, if it has two), and the others go to training. Images without instances come last.
    After Sechidis et al., On the Stratification of Multi-Label Data, ECML PKDD 2011. Raises ``ValueError``
    unless 0 < fraction < 1 and there are two images.
    """
    if not 0 < fraction < 1:
        raise ValueError(f'the hold-out fraction must lie between 0 and 1, got {fraction}')
    image_ids, counts = image_class_counts(coco)
    if len(image_ids) < 2:
        raise ValueError(f'a hold-out split needs two images, there are {len(image_ids)}')
    present = counts > 0
    order = np.random.default_rng(seed).permutation(len(image_ids))
    open_ = np.ones(len(image_ids), bool)
    validation = ~open_
    total = min(max(round(fraction * len(image_ids)), 1), len(image_ids) - 1)
    rarest_first = [c for c in np.argsort(present.sum(0), kind='stable') if present[:, c].any()]
    groups = [*present.T[rarest_first], ~present.any(1)]
    for number, members in enumerate(groups):
        size = int(members.sum())
        if number < len(rarest_first):
            wanted = min(max(round(fraction * size), 1), size - 1) - int((members & validation).sum())
        else:
            wanted = total - int(validation.sum())
        drawn = [i for i in order if members[i] and open_[i]]
        validation[drawn[: max(wanted, 0)]] = True
        open_[drawn] = False
    if not validation.any():  # a class each in one image only: nothing was left to draw
        validation[order[:total]] = True
    return image_ids[~validation].tolist(), image_ids[validation].tolist()


def write_holdout(annotations: str | os.PathLike, fraction: float, seed: int) -> tuple[Path, Path]:
    """Split ``train.json`` of the folder ``annotations`` into train_holdout.json and val_holdout.json there."""
    folder = Path(annotations)
    coco = read_coco(folder / 'train.json')
    try:
        training, validation = holdout_split(coco, fraction, seed)
    except ValueError as error:
        raise ValueError(f'{folder / "train.json"}: {error}') from error
    return (
        write_subset(coco, training, folder / 'train_holdout.json'),
        write_subset(coco, validation, folder / 'val_holdout.json'),
    )
