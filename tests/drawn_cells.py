"""Small COCO data sets and predictions, drawn."""

import numpy as np
from pycocotools import mask as coco_mask


def rectangle(shape: tuple[int, int], x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    """Mask (H, W) of the px x0 ≤ x < x1, y0 ≤ y < y1."""
    mask = np.zeros(shape, np.uint8)
    mask[y0:y1, x0:x1] = 1
    return mask


def disc(shape: tuple[int, int], x: float, y: float, radius: float) -> np.ndarray:
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    return ((rows - y) ** 2 + (cols - x) ** 2 <= radius**2).astype(np.uint8)


def rle(mask: np.ndarray) -> dict:
    coded = coco_mask.encode(np.asfortranarray(mask))
    return {'size': list(mask.shape), 'counts': coded['counts'].decode()}


def tight(mask: np.ndarray) -> list[float]:
    """Box xywh."""
    return coco_mask.toBbox(coco_mask.encode(np.asfortranarray(mask))).tolist()


def annotations(sizes: dict[int, tuple[int, int]], cells: list[tuple], classes: int = 2) -> dict:
    """A COCO file of cells (image id, category, mask[, iscrowd])."""
    anns = []
    for image_id, category, mask, *crowd in cells:
        ann = {'id': len(anns) + 1, 'image_id': image_id, 'category_id': category, 'bbox': tight(mask)}
        ann |= {'area': int(mask.sum()), 'iscrowd': int(bool(crowd and crowd[0])), 'segmentation': rle(mask)}
        anns.append(ann)
    return {
        'images': [{'id': i, 'file_name': f'{i}.tif', 'height': h, 'width': w} for i, (h, w) in sizes.items()],
        'annotations': anns,
        'categories': [{'id': k, 'name': f'class{k}'} for k in range(1, classes + 1)],
    }


def predictions(found: list[tuple]) -> list[dict]:
    """A results list of (image id, category, mask, score)."""
    return [
        {'image_id': i, 'category_id': c, 'score': s, 'bbox': tight(m), 'segmentation': rle(m)} for i, c, m, s in found
    ]


def coco_of(table: list[list[int]]) -> dict:
    """Images 1, 2, … whose row of ``table`` gives the instances of each class; the annotations are ids alone."""
    owners = [(i, c) for i, row in enumerate(table, 1) for c, number in enumerate(row, 1) for _ in range(number)]
    return {
        'images': [{'id': n, 'file_name': f'{n}.tif', 'height': 9, 'width': 9} for n in range(1, len(table) + 1)],
        'annotations': [{'id': n, 'image_id': i, 'category_id': c} for n, (i, c) in enumerate(owners, start=1)],
        'categories': [{'id': n, 'name': f'class{n}'} for n in range(1, len(table[0]) + 1)],
    }


def as_predictions(data: dict, score: float = 1.0) -> list[dict]:
    """The annotations as a perfect prediction."""
    keys = ('image_id', 'category_id', 'bbox', 'segmentation')
    return [{**{k: a[k] for k in keys}, 'score': score} for a in data['annotations']]


SIZE = (20, 30)


def entry(x0=5, y0=6, x1=12, y1=10, image_id=1, size=SIZE, **changes) -> dict:
    """An entry of a predictions file, a rectangle."""
    box = [float(x0), float(y0), float(x1 - x0), float(y1 - y0)]
    made = {'image_id': image_id, 'bbox': box, 'score': 0.1 + 0.2, 'category_id': 2}
    return made | {'segmentation': rle(rectangle(size, x0, y0, x1, y1))} | changes


def random_case(
    rng: np.random.Generator, *, crowd: bool = False, ties: bool = False, most: int = 150
) -> tuple[dict, list[dict]]:
    """Images of 0 to about 50 cells, one of them with ``most`` predictions of one class; the last has no cells."""
    shape = (96, 80)
    sizes, cells, found = {}, [], []
    for image_id, number in ((7, 50), (3, 12), (12, 0), (20, 5), (21, 0)):
        sizes[image_id] = shape
        centres = rng.uniform(4, 76, (number, 2))
        for k, (x, y) in enumerate(centres):
            category = 1 if image_id == 7 and k < 40 else int(rng.integers(1, 4))
            cells.append((image_id, category, disc(shape, x, y, rng.uniform(3, 8)), crowd and rng.random() < 0.15))
        for k in range(most if number == 50 else 2 * number + 3 * (image_id == 21)):
            x, y = centres[k % number] + rng.normal(0, 1.5, 2) if number else rng.uniform(10, 60, 2)
            score = rng.random() if not ties else rng.integers(1, 5) / 5
            category = 1 if number == 50 and k % 50 < 40 else int(rng.integers(1, 4))
            found.append((image_id, category, disc(shape, x, y, rng.uniform(3, 8)), float(score)))
    found = [f for f in found if f[2].any()]
    order = rng.permutation(len(found))
    return annotations(sizes, cells, classes=4), predictions([found[k] for k in order])
