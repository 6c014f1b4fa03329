"""Copy-paste of cells of rare classes from other training images."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.logging import print_log

from ...data.tiff import Scale, check_scale, read_image
from ...structures.coco import read_coco
from ..box_masks import BoxMasks
from .load_cell_annotations import to_rle

RARE_SHARE = 0.1  # of all instances
ATTEMPTS = 10  # places tried for a cell before it is given up
BANK_SIZE = 2000  # cells to choose from


class Cell(NamedTuple):
    """A cell that can be pasted: its number in the bank, its image's path, class and mask (RLE or polygons)."""

    index: int
    image: str
    label: int
    mask: dict | list


def rare_labels(counts: Sequence[int], share: float) -> list[int]:
    """Classes that have instances, but less than ``share`` of all."""
    return [label for label, n in enumerate(counts) if 0 < n < share * sum(counts)]


def paste(masks: BoxMasks, bitmap: np.ndarray, corner: tuple[int, int], max_overlap: float) -> BoxMasks | None:
    """The masks with a cell laid over them as the last one, or None where it would cover too much.

    Args:
        masks: The cells that are there. They lose the pixels that the new one covers.
        bitmap: (h, w) of the new cell.
        corner: (x, y) of its top left corner; the bitmap must lie inside the image.
        max_overlap: Largest share that may be covered of any cell that is there, and of the new cell by all of them.
    """
    (x, y), (h, w) = corner, bitmap.shape
    box = np.array([[x, y, x + w, y + h]], np.int32)
    # Most cells are far away: looking at them all would cost more than the paste.
    near = np.flatnonzero((masks.boxes[:, :2] < box[0, 2:]).all(1) & (masks.boxes[:, 2:] > box[0, :2]).all(1))
    changed, covered = {}, 0
    for index, window in zip(near.tolist(), masks.windows(near)):
        left, top, right, bottom = masks.boxes[index].tolist()
        x1, y1, x2, y2 = max(left, x), max(top, y), min(right, x + w), min(bottom, y + h)
        changed[index] = window.copy()  # the bits of a BoxMasks are shared
        common = changed[index][y1 - top : y2 - top, x1 - left : x2 - left]
        new = bitmap[y1 - y : y2 - y, x1 - x : x2 - x] > 0
        pixels = np.count_nonzero(common[new])
        if pixels > max_overlap * np.count_nonzero(window):
            return None
        covered += pixels
        common[new] = 0
    if covered > max_overlap * np.count_nonzero(bitmap):
        return None
    windows = [changed.get(index, window) for index, window in enumerate(masks.windows())]
    return BoxMasks.from_windows(np.concatenate([masks.boxes, box]), [*windows, bitmap], masks.height, masks.width)


@TRANSFORMS.register_module()
class RareClassCopyPaste(BaseTransform):
    """Paste cells of rare classes, turned and mirrored at random, at random places of the image.

    After Ghiasi et al., Simple Copy-Paste is a Strong Data Augmentation Method for Instance Segmentation, CVPR 2021,
    restricted to rare classes. Draws come from numpy's global generator, as with MMDetection's transforms. Stands
    after ``LoadCellAnnotations`` and before anything that resizes. Each process keeps the cut-out cells, at most
    ``BANK_SIZE``, spread evenly over the file's.

    Required Keys:

    - img, img_path, scale_factor
    - gt_bboxes (HorizontalBoxes), gt_bboxes_labels, gt_ignore_flags
    - gt_masks (BoxMasks)

    Modified Keys: img and the four gt keys

    Args:
        ann_file: COCO json of the images that train. A file with other images would leak them into training.
        data_root: Folder of its images.
        classes: Names of the classes to paste; None: those with fewer than a tenth of all instances, and nothing is
            pasted where there is none.
        num: Least and largest number of cells pasted into an image.
        prob: Share of the images that are pasted into.
        max_overlap: Largest share of a cell that may be covered, see :func:`paste`.
        channel_order, scale, page: As given to ``LoadTiffImage``, so that pasted cells look like their surroundings.

    Raises:
        ValueError: If a name is not in the file, the named classes have no cells, or the image has been resized.
    """

    def __init__(
        self,
        ann_file: str,
        data_root: str = '',
        classes: Sequence[str] | None = None,
        num: tuple[int, int] = (1, 5),
        prob: float = 1.0,
        max_overlap: float = 0.1,
        channel_order: str = 'bgr',
        scale: Scale = 'dtype',
        page: int = 0,
    ):
        check_scale(scale)
        self.scale, self.page = scale, page
        self.num, self.prob, self.max_overlap = num, prob, max_overlap
        self.channel_order = channel_order
        path = Path(data_root) / ann_file
        coco = read_coco(path)
        names = [category['name'] for category in coco['categories']]
        label_of = {category['id']: label for label, category in enumerate(coco['categories'])}
        labels = [label_of[a['category_id']] for a in coco['annotations']]
        unknown = sorted(set(classes or ()) - set(names))
        if unknown:
            raise ValueError(f'{path}: no class {", ".join(unknown)}; it has {", ".join(names)}')
        counts = np.bincount(labels, minlength=len(names)).tolist()
        rare = rare_labels(counts, RARE_SHARE) if classes is None else [names.index(name) for name in classes]
        image = {i['id']: os.path.abspath(Path(data_root) / i['file_name']) for i in coco['images']}
        found = [
            (image[a['image_id']], label, a['segmentation'])
            for a, label in zip(coco['annotations'], labels)
            if label in rare and not a.get('iscrowd', 0)
        ]
        if not found:
            have = ', '.join(f'{name} {n}' for name, n in zip(names, counts))
            message = f'{path}: no cells of a rare class to paste (found {have}); name other classes with classes=[…]'
            if classes is not None:
                raise ValueError(message)
            print_log(message, 'current', logging.WARNING)
        chosen = np.linspace(0, len(found) - 1, min(BANK_SIZE, len(found))).astype(int)
        self.cells = [Cell(index, *found[i]) for index, i in enumerate(chosen)]
        self._cut: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def _cut_out(self, cell: Cell) -> tuple[np.ndarray, np.ndarray]:
        """Colours (h, w, 3) uint8 and bitmap (h, w) uint8 of a cell's tight box."""
        if cell.index not in self._cut:
            # The image is read once for all of its cells.
            colours = read_image(cell.image, page=self.page, scale=self.scale)
            if self.channel_order == 'bgr':
                colours = colours[..., ::-1]
            here = [other for other in self.cells if other.image == cell.image]
            height, width = colours.shape[:2]
            try:
                masks = BoxMasks.from_rles([to_rle(other.mask, height, width) for other in here], height, width)
            except ValueError as error:
                raise ValueError(f'{cell.image}: mask of a cell to paste: {error}') from error
            for other, (x1, y1, x2, y2), bitmap in zip(here, masks.boxes.tolist(), masks.windows()):
                self._cut[other.index] = colours[y1:y2, x1:x2].copy(), bitmap
        return self._cut[cell.index]

    def _draw(self, img_path: str) -> tuple[int, np.ndarray, np.ndarray] | None:
        """Class, colours and bitmap of a cell of another image: first a class, each as likely, then the cell."""
        here = os.path.abspath(img_path)
        others = [cell for cell in self.cells if cell.image != here]
        labels = sorted({cell.label for cell in others})
        if not labels:
            return None
        label = labels[np.random.randint(len(labels))]
        of_class = [cell for cell in others if cell.label == label]
        colours, bitmap = self._cut_out(of_class[np.random.randint(len(of_class))])
        if np.random.randint(2):
            colours, bitmap = colours[:, ::-1], bitmap[:, ::-1]
        turns = np.random.randint(4)
        return label, np.rot90(colours, turns), np.ascontiguousarray(np.rot90(bitmap, turns))

    def transform(self, results: dict) -> dict:
        if tuple(results.get('scale_factor', (1.0, 1.0))) != (1.0, 1.0):
            raise ValueError(
                f'RareClassCopyPaste: {results["img_path"]} was resized by {results["scale_factor"]}, but cells are '
                'pasted at their own size: put RareClassCopyPaste before Resize'
            )
        if np.random.rand() >= self.prob:
            return results
        image, masks, labels = results['img'].copy(), results['gt_masks'], []
        for _ in range(np.random.randint(self.num[0], self.num[1] + 1)):
            drawn = self._draw(results['img_path'])
            if drawn is None:
                break
            label, colours, bitmap = drawn
            h, w = bitmap.shape
            if h > masks.height or w > masks.width:
                continue
            for _ in range(ATTEMPTS):
                x, y = np.random.randint(masks.width - w + 1), np.random.randint(masks.height - h + 1)
                pasted = paste(masks, bitmap, (x, y), self.max_overlap)
                if pasted is not None:
                    masks = pasted
                    image[y : y + h, x : x + w][bitmap > 0] = colours[bitmap > 0]
                    labels.append(label)
                    break
        if labels:
            results['img'], results['gt_masks'] = image, masks
            results['gt_bboxes'] = HorizontalBoxes(torch.from_numpy(masks.tight_boxes().astype(np.float32)))
            results['gt_bboxes_labels'] = np.concatenate([results['gt_bboxes_labels'], labels]).astype(np.int64)
            results['gt_ignore_flags'] = np.concatenate([results['gt_ignore_flags'], np.zeros(len(labels), bool)])
        return results
