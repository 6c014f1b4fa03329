"""The cells that the cases measure with: real ones of a data set, and drawn ones."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from mmcellseg.components.box_masks import BoxMasks
from mmcellseg.data.tiff import read_label_map


def random_cells(number: int, height: int, width: int) -> np.ndarray:
    """Boxes (N, 4) float32 xyxy of cells of 12 to 36 px anywhere in an image."""
    rng = np.random.default_rng(0)
    centre = rng.uniform(0, [width, height], (number, 2))
    size = rng.uniform(12, 36, (number, 2))
    boxes = np.concatenate([centre - size / 2, centre + size / 2], 1)
    return boxes.clip(0, [width, height] * 2).astype(np.float32)


def ellipses(boxes: np.ndarray, height: int, width: int) -> BoxMasks:
    """A filled ellipse in each box (N, 4) xyxy."""
    corners = np.concatenate([np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:])], axis=1).astype(int)
    windows = []
    for (x1, y1, x2, y2), (a, b, c, d) in zip(boxes.tolist(), corners.tolist()):
        y, x = np.ogrid[b + 0.5 : d + 0.5, a + 0.5 : c + 0.5]
        across, down = (2 * x - x1 - x2) / (x2 - x1), (2 * y - y1 - y2) / (y2 - y1)
        windows.append((across**2 + down**2 <= 1).astype(np.uint8))
    return BoxMasks.from_windows(corners, windows, height, width)


def discs(boxes: np.ndarray, centres: np.ndarray, radii: np.ndarray, size: int) -> BoxMasks:
    """Discs in a square image: their pixels inside the boxes (N, 4) xyxy, which are integers."""
    windows = []
    for (x0, y0, x1, y1), (cx, cy), radius in zip(boxes.tolist(), centres, radii):
        y, x = np.ogrid[y0:y1, x0:x1]
        windows.append(((x - cx) ** 2 + (y - cy) ** 2 <= radius**2).astype(np.uint8))
    return BoxMasks.from_windows(boxes, windows, size, size)


def coco_columns(masks: BoxMasks) -> tuple[list[list[float]], list[dict]]:
    """The masks' boxes as x, y, width, height, and their RLEs as text."""
    boxes = masks.tight_boxes().astype(float)
    boxes[:, 2:] -= boxes[:, :2]
    return boxes.tolist(), [{'size': r['size'], 'counts': r['counts'].decode()} for r in masks.to_rles()]


def tile_cells(folder: Path) -> BoxMasks:
    """The masks of all classes of a training image's folder."""
    return BoxMasks.cat([BoxMasks.from_label_map(read_label_map(p))[1] for p in sorted(folder.glob('class*.tif'))])


def densest_tile(data: Path) -> tuple[str, BoxMasks]:
    """The name of the training image with the most cells, and these."""
    folders = sorted(f for f in (data / 'train').iterdir() if any(f.glob('class*.tif')))
    tiles = ((folder.name, tile_cells(folder)) for folder in tqdm(folders, desc='count cells', leave=False))
    return max(tiles, key=lambda tile: len(tile[1]))


def dense_cells(data: Path | None, quick: bool) -> tuple[str, BoxMasks]:
    """Where the cells are from, and the cells: of the densest tile of ``data``, or 850 on 1000×1000 px."""
    if data is not None:
        return densest_tile(data)
    size, number = (600, 60) if quick else (1000, 850)
    return 'synthetic', ellipses(random_cells(number, size, size), size, size)


def densest_crop(boxes: np.ndarray, height: int, width: int, size: int) -> np.ndarray:
    """The boxes inside the crop that holds the most of them (searched in steps of 32 px), moved to it."""
    best = boxes[:0]
    for top in range(0, max(height - size, 0) + 1, 32):
        for left in range(0, max(width - size, 0) + 1, 32):
            moved = (boxes - [left, top, left, top]).clip(0, size)
            inside = moved[(moved[:, 2:] > moved[:, :2]).all(1)]
            best = inside if len(inside) > len(best) else best
    return best.astype(np.float32)
