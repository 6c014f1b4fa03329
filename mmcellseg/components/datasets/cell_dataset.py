"""The data set of cells: a COCO json with RLE masks, and a word for all that MMDetection drops without one."""

import logging
from collections import Counter
from pathlib import Path
from typing import Any

from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS
from mmengine.logging import print_log

from ...structures.coco import read_coco
from ...structures.palette import PALETTE, extended


def dropped_reason(annotation: dict[str, Any], image: dict[str, Any], category_ids: list[int]) -> str | None:
    """Why ``CocoDataset`` drops an annotation (bbox xywh, px) of an image, or None if it keeps it."""
    if annotation.get('ignore', False):
        return 'marked "ignore"'
    x, y, w, h = annotation['bbox']
    if min(x + w, image['width']) <= max(x, 0) or min(y + h, image['height']) <= max(y, 0):
        return 'box outside the image'
    if annotation['area'] <= 0:
        return 'area of 0 px² or less'
    if w < 1 or h < 1:
        return 'box under 1 px'
    return None if annotation['category_id'] in category_ids else 'unknown category'


@DATASETS.register_module()
class CellDataset(CocoDataset):
    """COCO json of cells, as ``cells2coco.py`` writes it.

    The classes of ``metainfo`` must be the json's categories, in the json's order: MMDetection would match
    them by name, in the json's order, and leave out what does not match. Missing colours are made up.

    ``filter_cfg`` without a word removes no image for its size (the data has images of 33 px, and stock
    configs remove those under 32 px), but those without a cell, in training only. Masks stay RLE dicts, for
    ``LoadCellAnnotations`` or the stock ``LoadAnnotations(with_mask=True)``.
    """

    METAINFO = {'classes': ('class1', 'class2', 'class3', 'class4'), 'palette': PALETTE}

    def __init__(self, *args: Any, filter_cfg: dict | None = None, **kwargs: Any) -> None:
        filter_cfg = {'filter_empty_gt': True} if filter_cfg is None else filter_cfg
        super().__init__(*args, filter_cfg=filter_cfg, **kwargs)

    @classmethod
    def _load_metainfo(cls, metainfo: Any = None) -> dict:
        loaded = super()._load_metainfo(metainfo)
        loaded['palette'] = extended(loaded.get('palette', []), len(loaded['classes']))
        return loaded

    def _check_content(self) -> None:
        """Raise before training if the json is missing or none, or its categories are not the classes.

        MMDetection keeps one of several images of an id, with the cells of all, and drops cells of unknown images.
        """
        if not Path(self.ann_file).is_file():
            raise FileNotFoundError(
                f'{self.ann_file}: there is no such annotation file; tools/dataset_converters/cells2coco.py '
                'writes annotations/train.json and test.json, with --holdout also the hold-out split'
            )
        content = read_coco(self.ann_file, strays=True, cells=True)
        found = [category['name'] for category in content['categories']]
        expected = list(self.metainfo['classes'])
        if found != expected:
            raise ValueError(
                f'{self.ann_file}: its categories are {found}, but the classes of the config are {expected}; '
                'give the data set metainfo=dict(classes=…) with the same names in the same order (and the '
                'model as many num_classes), or convert the data again with --classes'
            )
        images = {image['id'] for image in content['images']}
        lost = sum(a['image_id'] not in images for a in content.get('annotations') or ())
        self._dropped: Counter = Counter({'of an image that the file does not list': lost} if lost else {})

    def load_data_list(self) -> list[dict]:
        self._check_content()
        data_list = super().load_data_list()
        kept = sum(len(data['instances']) for data in data_list)
        found = f'{self.ann_file}: {len(data_list)} images, {kept} cells'
        if self._dropped:
            reasons = ', '.join(f'{count} {reason}' for reason, count in sorted(self._dropped.items()))
            found += f'; left out: {self._dropped.total()} cells ({reasons})'
        print_log(found, 'current', logging.WARNING if self._dropped else logging.INFO)
        return data_list

    def parse_data_info(self, raw_data_info: dict) -> dict | list[dict]:
        image = raw_data_info['raw_img_info']
        reasons = (dropped_reason(a, image, self.cat_ids) for a in raw_data_info['raw_ann_info'])
        self._dropped.update(reason for reason in reasons if reason)
        return super().parse_data_info(raw_data_info)

    def filter_data(self) -> list[dict]:
        kept = super().filter_data()
        if not kept:
            raise ValueError(
                f'{self.ann_file}: none of its {len(self.data_list)} images is left with filter_cfg='
                f'{self.filter_cfg}; without cells a file serves with test_mode=True alone'
            )
        if left_out := len(self.data_list) - len(kept):
            size = self.filter_cfg.get('min_size', 0)
            small = sum(min(data['width'], data['height']) < size for data in self.data_list)
            text = (
                f'{self.ann_file}: filter_cfg={dict(self.filter_cfg)} leaves out {left_out} of {len(self.data_list)} '
                f'images: {small} under {size} px, {left_out - small} without cells of these classes'
            )
            print_log(text, 'current', logging.WARNING)
        return kept
