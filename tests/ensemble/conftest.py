"""Detections made of rectangles, and random cells."""

import numpy as np
import pytest

from mmcellseg.components.box_masks import BoxMasks
from mmcellseg.ensemble.detections import Detections

SIZE = (40, 60)


def entries_of(masks: BoxMasks, scores, labels, image_id=1):
    tight = masks.tight_boxes().astype(float)
    tight[:, 2:] -= tight[:, :2]
    return [
        {
            'image_id': image_id,
            'bbox': box,
            'score': float(score),
            'category_id': int(label),
            'segmentation': {'size': rle['size'], 'counts': rle['counts'].decode()},
        }
        for box, score, label, rle in zip(tight.tolist(), scores, labels, masks.to_rles(), strict=True)
    ]


def rectangle_entries(rows, image_id=1, size=SIZE):
    """From rows (x0, y0, x1, y1, score, category)."""
    bitmaps = np.zeros((len(rows), *size), np.uint8)
    for bitmap, (x0, y0, x1, y1, *_) in zip(bitmaps, rows, strict=True):
        bitmap[y0:y1, x0:x1] = 1
    return entries_of(BoxMasks.from_bitmaps(bitmaps), [r[4] for r in rows], [r[5] for r in rows], image_id)


@pytest.fixture
def rectangles():
    """A function: one list of rows a member → detections."""

    def make(*members):
        return Detections.from_entries([rectangle_entries(rows) for rows in members], *SIZE)

    return make


@pytest.fixture
def entries():
    """A function: rows → entries of a predictions file."""
    return rectangle_entries


@pytest.fixture
def random_members():
    """A function: seed → entries of members that see the same discs, each a little differently."""

    def make(seed, members=4, cells=12, levels=None, size=SIZE, image_id=1):
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[: size[0], : size[1]]
        discs = rng.uniform([0, 0, 3], [*size, 8], (cells, 3))
        out = []
        for _ in range(members):
            seen = discs[rng.random(cells) < 0.8]
            seen = np.concatenate([seen, seen[: rng.integers(0, 3)]])
            seen = seen + rng.normal(0, 1, seen.shape)
            bitmaps = np.array([(y - a) ** 2 + (x - b) ** 2 <= max(r, 2) ** 2 for a, b, r in seen], np.uint8)
            bitmaps = bitmaps.reshape(-1, *size)
            bitmaps = bitmaps[bitmaps.any(axis=(1, 2))]
            scores = rng.random(len(bitmaps)) if levels is None else rng.choice(levels, len(bitmaps))
            labels = rng.integers(1, 4, len(bitmaps))
            out.append(entries_of(BoxMasks.from_bitmaps(bitmaps), scores, labels, image_id))
        return out

    return make
