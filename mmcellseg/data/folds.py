"""Folds for cross-validation: disjoint, stratified by class, and never a group of images on both sides."""

import csv
import json
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..structures.files import atomic_write
from ..structures.json_file import read_json
from .split import exchange, image_class_counts, shares_of, write_subset


def assign_folds(counts: np.ndarray, sizes: ArrayLike, folds: int) -> np.ndarray:
    """The fold (G,) of each group, int64 from 0, from (G, C) instances and (G,) images; of the arguments alone.

    Classes take turns, the one in the fewest groups first; its groups go, the largest first, each to the fold that
    holds the smallest share of that class (Sechidis et al., On the Stratification of Multi-Label Data, ECML PKDD
    2011). Then single groups move, or two change places, as long as that brings more classes into every fold or else
    the shares nearer to equal. Raises ``ValueError`` for fewer than 2 folds, or more folds than groups.
    """
    if folds < 2:
        raise ValueError(f'cross-validation needs at least 2 folds, got {folds}')
    if folds > len(counts):
        raise ValueError(
            f'{folds} folds need as many groups of images, found {len(counts)}: take fewer folds or finer groups'
        )
    columns = shares_of(counts, sizes)
    fold = np.full(len(columns), -1)
    held = np.zeros((folds, columns.shape[1]))
    for column in np.argsort((columns > 0).sum(0), kind='stable'):
        members = np.flatnonzero((columns[:, column] > 0) & (fold < 0))
        for group in members[np.argsort(-columns[members, column], kind='stable')]:
            # lexsort: the last key leads
            fold[group] = np.lexsort((np.arange(folds), held[:, -1], held[:, column]))[0]
            held[fold[group]] += columns[group]
    return exchange(columns, fold, np.full(folds, 1 / folds), np.ones(folds, np.int64))


def split_folds(coco: dict[str, Any], groups: Sequence[str], folds: int) -> dict[int, int]:
    """The fold of each image id. ``groups``: the group of each image in ascending order of the ids."""
    image_ids, counts = image_class_counts(coco)
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    group_counts = np.zeros((len(names), counts.shape[1]), dtype=np.int64)
    np.add.at(group_counts, group, counts)
    fold = assign_folds(group_counts, np.bincount(group), folds)[group]
    return dict(zip(image_ids.tolist(), fold.tolist()))


def _such(names: Collection[str]) -> str:
    return f'such as {", ".join(sorted(names)[:3])}'


def read_groups(path: str | os.PathLike, file_names: Sequence[str]) -> list[str]:
    """The group of each image from a json ``{file_name: group}`` or a csv with the lines ``file_name,group``.

    Raises ``ValueError`` if the file is neither, an image is missing in it, or has no group or two.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding='utf-8-sig')  # spreadsheets write a mark at the beginning
        rows = json.loads(text).items() if path.suffix == '.json' else filter(None, csv.reader(text.splitlines()))
        pairs = [(str(row[0]).strip(), str(row[1]).strip()) for row in rows]
    except (ValueError, AttributeError, IndexError) as error:
        raise ValueError(
            f'{path}: expected a json {{"file_name": "group", …}} or a csv of file_name,group, in UTF-8 ({error})'
        ) from None
    groups = dict(pairs)
    if blank := [name for name, group in pairs if not group]:
        raise ValueError(f'{path}: {len(blank)} images have an empty group, {_such(blank)}')
    if twice := {name for name, group in pairs if group != groups[name]}:
        raise ValueError(f'{path}: {len(twice)} images have two groups, {_such(twice)}')
    if missing := [name for name in file_names if name not in groups]:
        raise ValueError(
            f'{path}: {len(missing)} of {len(file_names)} images have no group, {_such(missing)}; every file_name of '
            'the annotation file needs one'
        )
    return [groups[name] for name in file_names]


def read_folds(path: str | os.PathLike, coco: dict[str, Any]) -> dict[int, int]:
    """The fold of each image id from a json ``{file_name: fold}``, as ``write_folds`` leaves it.

    Raises ``ValueError`` if it is none, its images are not those of ``coco``, or a fold before the last is empty.
    """
    fold_of = read_json(path, 'file of folds', ValueError)
    if not isinstance(fold_of, dict) or not all(type(fold) is int and fold >= 0 for fold in fold_of.values()):
        raise ValueError(f'{path}: expected {{"file_name": fold, …}} with whole numbers from 0')
    ids = _ids_by_name(coco)
    if missing := ids.keys() - fold_of:
        raise ValueError(f'{path}: {len(missing)} of the {len(ids)} images to split have no fold, {_such(missing)}')
    if extra := fold_of.keys() - ids:
        raise ValueError(f'{path}: {len(extra)} of its images are not among those to split, {_such(extra)}')
    used = set(fold_of.values())
    if used != set(range(len(used))) or len(used) < 2:
        raise ValueError(f'{path}: expected at least 2 folds numbered from 0 without a gap, found {sorted(used)}')
    return {ids[name]: fold for name, fold in fold_of.items()}


def _ids_by_name(coco: dict[str, Any]) -> dict[str, int]:
    ids: dict[str, int] = {}
    for image in coco['images']:
        if ids.setdefault(image['file_name'], image['id']) != image['id']:
            raise ValueError(f'two images have the file_name {image["file_name"]}, and folds are kept by it')
    return ids


def write_folds(coco: dict[str, Any], fold_of: dict[int, int], out: Path) -> list[Path]:
    """Write ``foldK_train.json`` and ``foldK_val.json`` for every fold, then ``folds.json``, ``{file_name: fold}``.

    Raises ``FileExistsError`` if ``folds.json`` is there with other folds: results could not be compared; and
    ``ValueError`` if two images have the same ``file_name``.
    """
    names = {image_id: name for name, image_id in _ids_by_name(coco).items()}
    record = json.dumps({names[i]: fold for i, fold in sorted(fold_of.items())}, indent=1) + '\n'
    path = out / 'folds.json'
    if path.exists() and path.read_text() != record:
        raise FileExistsError(f'{path} holds other folds, which runs may have used: remove it, or name another folder')
    written = []
    for fold in range(max(fold_of.values()) + 1):
        inside = [i for i, f in fold_of.items() if f == fold]
        written.append(write_subset(coco, fold_of.keys() - inside, out / f'fold{fold}_train.json'))
        written.append(write_subset(coco, inside, out / f'fold{fold}_val.json'))
    return [*written, atomic_write(path, record)]
