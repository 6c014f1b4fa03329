"""A detector that looks at local pixels only: bright components; its answers do not depend on where the tile lies."""

import cv2
import numpy as np

from mmcellseg.export.cells import Cells
from mmcellseg.structures.masks import InstanceMasks


def components(image: np.ndarray) -> Cells:
    """The 8-connected components of the bright px of an image (H, W, 3), each of the class of its pixels.

    Class 1 is 100 to 199, class 2 is 200 and more. The score is the mean brightness / 255.
    """
    labels = np.zeros(image.shape[:2], np.int64)
    for low, high in ((100, 199), (200, 255)):
        bright = ((image[..., 0] >= low) & (image[..., 0] <= high)).astype(np.uint8)
        _, found = cv2.connectedComponents(bright)
        labels += np.where(found > 0, found + labels.max(), 0)
    _, masks = InstanceMasks.from_label_map(labels)
    values = np.array(
        [image[y0:y1, x0:x1, 0][w > 0].mean() for (x0, y0, x1, y1), w in zip(masks.boxes.tolist(), masks.windows())]
    ).reshape(-1)
    return Cells(masks.boxes.astype(float), values / 255, np.where(values < 200, 1, 2).astype(np.int64), masks)


def content(cells: Cells | None) -> list[tuple]:
    """What cells say, in an order of its own."""
    if cells is None:
        return []
    rows = zip(cells.boxes.tolist(), cells.labels.tolist(), cells.scores.round(9).tolist(), cells.to_rles())
    return sorted((tuple(box), label, score, bytes(rle['counts'])) for box, label, score, rle in rows)


def blobs(rng: np.random.Generator, height: int, width: int, number: int, largest: int) -> np.ndarray:
    """An image (H, W, 3) of ``number`` ragged blobs of 1 to ``largest`` px a side, each apart from the others.

    Many lie on the edges and corners of the image. The second channel lacks the first row of each.
    """
    image, taken = np.zeros((height, width), np.uint8), np.zeros((height, width), np.uint8)
    for _ in range(number):
        h, w = rng.integers(1, [min(largest, height) + 1, min(largest, width) + 1])
        blob = (rng.random((h, w)) < 0.8).astype(np.uint8)
        blob[h // 2] = blob[:, w // 2] = 1
        _, pieces = cv2.connectedComponents(blob)
        blob = pieces == pieces[h // 2, w // 2]
        y, x = rng.integers(-3, [height - h + 4, width - w + 4]).clip(0, [height - h, width - w])
        place = (slice(y, y + h), slice(x, x + w))
        if not taken[place].any():
            image[place][blob] = rng.integers(100, 256)
            taken[max(y - 1, 0) : y + h + 1, max(x - 1, 0) : x + w + 1] = 1
    below = np.where(np.pad(image, ((1, 0), (0, 0)))[:-1] > 0, image, 0)
    return np.stack([image, below, below], axis=2)
