"""A seeded, drawn data set in the layout of class TIFFs, for tests, benchmarks and the quickstart."""

import json
import os
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from tqdm import tqdm

from ..structures.files import atomic_write
from .tissue import Tissue

PROPORTIONS = {'real': (46.0, 50.0, 2.0, 2.0), 'balanced': (1.0, 1.0, 1.0, 1.0)}
MEDIAN_AREAS = (578.0, 278.0, 566.0, 2357.0)  # px², classes 1–4 of the real training images
LOG_AREA_SPREAD = (0.45, 0.30, 0.35, 0.50)
SMALLEST_AREA, LARGEST_AREA = 11.0, 54554.0  # px², of the real cells
DENSE_CELLS = 740
DENSE_FILL = 0.42


@dataclass
class SyntheticSummary:
    """What was written: cells per class and, in the order of the training folders, cells per image."""

    root: Path
    class_counts: list[int] = field(default_factory=lambda: [0] * len(MEDIAN_AREAS))
    train_cells: dict[str, int] = field(default_factory=dict)
    left_out: int = 0  # cells that found no free place


def make_synthetic(
    root: str | os.PathLike,
    num_train: int = 20,
    num_test: int = 6,
    seed: int = 0,
    proportions: str = 'real',
    size_range: tuple[int, int] = (160, 320),
    fill: tuple[float, float] = (0.15, 0.45),
    cell_scale: float = 1.0,
    dense: bool = True,
    progress: bool = False,
) -> SyntheticSummary:
    """Write ``train/<uuid>/image.tif, classN.tif``, ``test_release/<uuid>.tif`` and the file of test ids.

    The same arguments give the same bytes. The first training image has cells of class 2 only (its other
    class files are absent); with ``dense`` the last has over 700 cells, and a size to hold them.

    Args:
        root: Where to write; a ``train`` folder that it has is refused (FileExistsError).
        num_train: Training images, the dense one among them.
        num_test: Test images; they have no masks.
        proportions: A key of ``PROPORTIONS``.
        size_range: Lowest and highest height and width in px.
        fill: Lowest and highest part of an image that cells cover.
        cell_scale: Factor on the cells' diameters.
    """
    root = Path(root)
    weights = np.array(PROPORTIONS[proportions]) / sum(PROPORTIONS[proportions])
    if num_train < 1 or num_test < 0 or not 16 <= size_range[0] <= size_range[1] or cell_scale <= 0:
        raise ValueError(
            'make_synthetic needs num_train ≥ 1, num_test ≥ 0, 16 ≤ size_range[0] ≤ size_range[1] and '
            f'cell_scale > 0, but got {num_train=}, {num_test=}, {size_range=}, {cell_scale=}'
        )
    if (root / 'train').exists():
        raise FileExistsError(f'{root / "train"} exists already; remove it or choose another folder')

    rng = np.random.default_rng(seed)
    count = num_train + num_test
    names = [str(uuid.UUID(bytes=rng.bytes(16), version=4)) for _ in range(count)]
    sizes = rng.integers(size_range[0], size_range[1], (count, 2), endpoint=True)
    mean_area = weights @ (np.array(MEDIAN_AREAS) * np.exp(np.square(LOG_AREA_SPREAD) / 2)) * cell_scale**2
    cells = np.maximum(3, rng.uniform(*fill, count) * sizes.prod(1) / mean_area).round().astype(int)
    if dense:
        cells[num_train - 1] = DENSE_CELLS
    labels = _deal(rng, weights, cells[:num_train], lone_first=True) + _deal(rng, weights, cells[num_train:])
    summary = SyntheticSummary(root)
    ids: list[dict] = []
    for index in tqdm(range(count), desc='synthetic images', disable=not progress):
        own = np.random.default_rng([seed, index])  # each image by itself: one more does not change the others
        spread = np.exp(own.standard_normal(len(labels[index])) * np.array(LOG_AREA_SPREAD)[labels[index]])
        areas = (np.array(MEDIAN_AREAS)[labels[index]] * spread).clip(SMALLEST_AREA, LARGEST_AREA) * cell_scale**2
        height, width = map(int, sizes[index])
        if dense and index == num_train - 1:
            side = np.sqrt(areas.sum() / DENSE_FILL)
            height, width = round(side * 0.9), round(side / 0.9)
        tissue, room = Tissue(own, height, width), 0.25 * height * width
        for i in np.argsort(-areas, kind='stable'):  # large ones first, while there is room
            summary.left_out += not tissue.place(int(labels[index][i]), float(min(areas[i], room)))
        if index < num_train:
            folder = root / 'train' / names[index]
            _write_image(folder / 'image.tif', tissue.stain())
            _write_masks(folder, own, tissue, compression='lzw' if index % 4 == 3 else None)
            summary.train_cells[names[index]] = len(tissue.labels)
            for label in tissue.labels:
                summary.class_counts[label] += 1
        else:
            _write_image(root / 'test_release' / f'{names[index]}.tif', tissue.stain())
            ids.append({'file_name': f'{names[index]}.tif', 'id': len(ids) + 1, 'height': height, 'width': width})
    atomic_write(root / 'test_image_name_to_ids.json', json.dumps(ids, indent=4))
    return summary


def _deal(
    rng: np.random.Generator, weights: np.ndarray, cells: np.ndarray, lone_first: bool = False
) -> list[np.ndarray]:
    """Class labels (from 0) for images of ``cells`` cells; together they have the proportions ``weights``.

    Lymphocytes and epithelial cells gather in different images, as in real tissue. With ``lone_first`` the
    first of several images gets cells of one class only.
    """
    total = int(cells.sum())
    counts = np.floor(weights * total).astype(int)
    counts[np.argsort(counts - weights * total, kind='stable')[: total - counts.sum()]] += 1
    pool = np.repeat(np.arange(len(weights)), counts)
    key = rng.random(total)
    key = np.where(pool == 0, np.sqrt(key), np.where(pool == 1, 1 - np.sqrt(key), key))
    order = rng.permutation(len(cells))
    if lone_first and len(cells) > 1:
        only = 1 if counts[1] else int(np.argmax(counts))
        key[np.flatnonzero(pool == only)[: cells[0]]] = -1
        order = np.concatenate([[0], 1 + rng.permutation(len(cells) - 1)])
    parts = np.split(pool[np.argsort(key, kind='stable')], np.cumsum(cells[order])[:-1])
    return [parts[i] for i in np.argsort(order)]


def _write_image(path: Path, rgb: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rgba = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
    settings: dict[str, Any] = {'photometric': 'rgb', 'extrasamples': ['unassalpha'], 'metadata': None}
    tifffile.imwrite(path, rgba, compression='lzw', predictor=True, **settings)


def _write_masks(folder: Path, rng: np.random.Generator, tissue: Tissue, compression: str | None) -> None:
    """One float64 label map for each class that is there; ids grow from 1 with gaps."""
    labels = np.asarray(tissue.labels)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        values = np.zeros(len(labels) + 1)
        values[1 + rng.permutation(members)] = np.cumsum(rng.integers(1, 4, len(members)))
        path = folder / f'class{label + 1}.tif'
        tifffile.imwrite(path, values[tissue.instances], compression=compression, metadata=None)
