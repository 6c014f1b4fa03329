"""Entries of a predictions file, each a rectangle."""

import numpy as np
from pycocotools import mask as coco_mask

SIZE = (20, 30)


def entry(x0=5, y0=6, x1=12, y1=10, image_id=1, size=SIZE, **changes):
    bitmap = np.zeros(size, np.uint8, order='F')
    bitmap[y0:y1, x0:x1] = 1
    rle = coco_mask.encode(bitmap)
    made = {
        'image_id': image_id,
        'bbox': [float(x0), float(y0), float(x1 - x0), float(y1 - y0)],
        'score': 0.1 + 0.2,
        'category_id': 2,
        'segmentation': {'size': list(size), 'counts': rle['counts'].decode()},
    }
    return made | changes
