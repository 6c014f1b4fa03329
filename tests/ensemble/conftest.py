"""Detections made of rectangles, and random cells."""

import numpy as np
import pytest

from mmcellseg.ensemble.detections import Detections
from mmcellseg.structures.masks import InstanceMasks

SIZE = (40, 60)


def entries_of(bitmaps, scores, labels, image_id=1):
    masks = InstanceMasks.from_bitmaps(bitmaps)
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


@pytest.fixture
def entries():
    """A function: rows (x0, y0, x1, y1, score, category) → entries of a predictions file."""

    def make(rows, image_id=1):
        bitmaps = np.zeros((len(rows), *SIZE), np.uint8)
        for bitmap, (x0, y0, x1, y1, *_) in zip(bitmaps, rows, strict=True):
            bitmap[y0:y1, x0:x1] = 1
        return entries_of(bitmaps, [row[4] for row in rows], [row[5] for row in rows], image_id)

    return make


@pytest.fixture
def rectangles(entries):
    """A function: one list of rows a member → detections."""
    return lambda *members: Detections.from_entries([entries(rows) for rows in members], *SIZE)


@pytest.fixture
def random_members():
    """A function: seed → entries of members that see the same discs, each a little differently."""

    def make(seed, members=4, cells=12, levels=None, image_id=1):
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[: SIZE[0], : SIZE[1]]
        discs = rng.uniform([0, 0, 3], [*SIZE, 8], (cells, 3))
        out = []
        for _ in range(members):
            seen = discs[rng.random(cells) < 0.8]
            seen = np.concatenate([seen, seen[: rng.integers(0, 3)]])
            seen = seen + rng.normal(0, 1, seen.shape)
            bitmaps = np.array([(y - a) ** 2 + (x - b) ** 2 <= max(r, 2) ** 2 for a, b, r in seen], np.uint8)
            bitmaps = bitmaps.reshape(-1, *SIZE)
            bitmaps = bitmaps[bitmaps.any(axis=(1, 2))]
            scores = rng.random(len(bitmaps)) if levels is None else rng.choice(levels, len(bitmaps))
            out.append(entries_of(bitmaps, scores, rng.integers(1, 4, len(bitmaps)), image_id))
        return out

    return make
