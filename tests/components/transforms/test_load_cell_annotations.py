import json
import random

import cv2
import numpy as np
import pycocotools.mask as mask_utils
import pytest
import torch
from mmdet.datasets import CocoDataset
from mmdet.registry import TRANSFORMS
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope

from mmcellseg.components.box_masks import BoxMasks
from mmcellseg.components.transforms.load_cell_annotations import LoadCellAnnotations

HEIGHT, WIDTH = 90, 110


@pytest.fixture(autouse=True)
def _scope():
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


def make_cells(rng: np.random.Generator, number: int) -> list[np.ndarray]:
    """Discs of 1 to 14 px radius, cut by the border and overlapping."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    centres = rng.uniform(0, [HEIGHT, WIDTH], (number, 2)).astype(int)
    radii = rng.integers(0, 14, number)
    return [((y - cy) ** 2 + (x - cx) ** 2 <= r * r).astype(np.uint8) for (cy, cx), r in zip(centres, radii)]


@pytest.fixture(scope='module')
def coco(tmp_path_factory):
    """Two images as a stock CocoDataset has them: RLE as str, one polygon, one RLE as a list, one crowd."""
    root = tmp_path_factory.mktemp('coco')
    rng = np.random.default_rng(3)
    images, annotations = [], []
    for image_id in (1, 2):
        name = f'{image_id}.png'
        cv2.imwrite(str(root / name), rng.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8))
        images.append({'id': image_id, 'file_name': name, 'height': HEIGHT, 'width': WIDTH})
        for k, mask in enumerate(make_cells(rng, 40)):
            rle = mask_utils.encode(np.asfortranarray(mask))
            x, y, w, h = mask_utils.toBbox(rle).tolist()
            segmentation = {'size': rle['size'], 'counts': rle['counts'].decode()}
            if k == 5:
                segmentation = [[x, y, x + w, y, x + w, y + h, x, y + h], [1.0, 1.0, 9.0, 1.0, 9.0, 9.0]]
            if k == 6:
                runs = np.flatnonzero(np.diff(mask.T.ravel(), prepend=2))
                first = [] if mask[0, 0] == 0 else [0]
                segmentation['counts'] = first + np.diff(np.append(runs, mask.size)).tolist()
            annotations.append({
                'id': len(annotations) + 1, 'image_id': image_id, 'category_id': 1 + k % 2, 'bbox': [x, y, w, h],
                'area': float(mask.sum()), 'iscrowd': int(k == 7), 'segmentation': segmentation,
            })  # fmt: skip
    categories = [{'id': 1, 'name': 'class1'}, {'id': 2, 'name': 'class2'}]
    content = {'images': images, 'annotations': annotations, 'categories': categories}
    (root / 'train.json').write_text(json.dumps(content))
    return CocoDataset(
        ann_file='train.json', data_root=str(root), data_prefix={'img': ''}, pipeline=[],
        metainfo={'classes': ('class1', 'class2')},
    )  # fmt: skip


def load(kind: str, coco, index: int) -> dict:
    results = coco.get_data_info(index)
    load_annotations = {'type': kind, 'with_bbox': True, 'with_mask': True}
    return Compose([{'type': 'LoadImageFromFile'}, load_annotations])(results)


def seed(number: int) -> None:
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


def assert_same(ours: dict, stock: dict) -> None:
    assert isinstance(ours['gt_masks'], BoxMasks)
    np.testing.assert_array_equal(ours['img'], stock['img'])
    torch.testing.assert_close(ours['gt_bboxes'].tensor, stock['gt_bboxes'].tensor, rtol=0, atol=0)
    for key in ('gt_bboxes_labels', 'gt_ignore_flags'):
        np.testing.assert_array_equal(ours[key], stock[key])
    np.testing.assert_array_equal(ours['gt_masks'].to_ndarray(), stock['gt_masks'].masks)
    assert (ours['gt_masks'].height, ours['gt_masks'].width) == (stock['gt_masks'].height, stock['gt_masks'].width)


def test_loads_what_stock_loads(coco):
    ours, stock = load('LoadCellAnnotations', coco, 0), load('LoadAnnotations', coco, 0)
    assert_same(ours, stock)
    assert ours['gt_ignore_flags'].sum() == 1
    assert ours['gt_masks'].bits.size < HEIGHT * WIDTH * len(ours['gt_masks']) / 10


def test_invalid_masks_are_ignored_as_in_stock(coco):
    loaded = []
    for kind in ('LoadCellAnnotations', 'LoadAnnotations'):
        results = coco.get_data_info(0)
        results['ori_shape'] = (HEIGHT, WIDTH)
        results['instances'][2]['mask'] = [[1.0, 2.0, 3.0]]
        results['instances'][3]['mask'] = {'size': [HEIGHT, WIDTH]}
        loaded.append(TRANSFORMS.build({'type': kind, 'with_mask': True}).transform(results))
    assert loaded[0]['gt_ignore_flags'].tolist() == loaded[1]['gt_ignore_flags'].tolist()
    assert loaded[0]['gt_ignore_flags'][[2, 3]].all()
    np.testing.assert_array_equal(loaded[0]['gt_masks'].to_ndarray(), loaded[1]['gt_masks'].masks)


TRANSFORM_LISTS = {
    'RandomCrop': [{'type': 'RandomCrop', 'crop_size': (50, 60)}],
    'RandomCrop_recompute': [{'type': 'RandomCrop', 'crop_size': (50, 60), 'recompute_bbox': True}],
    'RandomFlip': [{'type': 'RandomFlip', 'prob': [0.3] * 3, 'direction': ['horizontal', 'vertical', 'diagonal']}],
    'Resize': [{'type': 'Resize', 'scale': (200, 120), 'keep_ratio': True}],
    'Resize_stretch': [{'type': 'Resize', 'scale': (77, 133), 'keep_ratio': False}],
    'RandomResize': [
        {'type': 'RandomResize', 'scale': (110, 90), 'ratio_range': (0.3, 2.5), 'keep_ratio': True}
    ],
    'Rotate': [{'type': 'Rotate', 'prob': 1.0, 'max_mag': 90.0}],
    'Rotate_nearest': [{'type': 'Rotate', 'prob': 1.0, 'max_mag': 90.0, 'interpolation': 'nearest'}],
    'ShearX': [{'type': 'ShearX', 'prob': 1.0}],
    'ShearY': [{'type': 'ShearY', 'prob': 1.0}],
    'TranslateX': [{'type': 'TranslateX', 'prob': 1.0, 'max_mag': 0.5}],
    'TranslateY': [{'type': 'TranslateY', 'prob': 1.0, 'max_mag': 0.5}],
    'Pad': [{'type': 'Pad', 'size_divisor': 32}],
    'Expand': [{'type': 'Expand', 'prob': 1.0}],
    'CachedMosaic': [{'type': 'CachedMosaic', 'img_scale': (96, 96), 'pad_val': 114.0, 'max_cached_images': 6}],
    'CachedMixUp': [{'type': 'CachedMixUp', 'img_scale': (96, 96), 'max_cached_images': 6}],
    'FilterAnnotations': [
        {'type': 'FilterAnnotations', 'min_gt_bbox_wh': (3, 3), 'by_mask': True, 'min_gt_mask_area': 30}
    ],
    'all': [
        {'type': 'CachedMosaic', 'img_scale': (96, 96), 'max_cached_images': 6},
        {'type': 'RandomFlip', 'prob': 0.5},
        {'type': 'Rotate', 'prob': 1.0, 'max_mag': 30.0},
        {'type': 'Resize', 'scale': (150, 170), 'keep_ratio': True},
        {'type': 'RandomCrop', 'crop_size': (100, 100)},
        {'type': 'Pad', 'size_divisor': 32},
    ],
}  # fmt: skip


@pytest.mark.parametrize('name', TRANSFORM_LISTS)
def test_transforms_give_what_stock_gives(coco, name):
    outcomes = []
    for kind in ('LoadCellAnnotations', 'LoadAnnotations'):
        pipeline = Compose(TRANSFORM_LISTS[name])
        outcome = []
        for step in range(8):
            seed(step)
            outcome.append(pipeline(load(kind, coco, step % 2)))
        outcomes.append(outcome)
    assert sum(result is not None for result in outcomes[0]) >= 4
    for ours, stock in zip(*outcomes):
        assert (ours is None) == (stock is None)
        if ours is not None:
            assert_same(ours, stock)


def test_transform_that_reads_bitmaps_says_what_to_do(coco):
    erase = TRANSFORMS.build({'type': 'RandomErasing', 'n_patches': 3, 'ratio': 0.3})
    with pytest.raises(AttributeError, match=r'RandomErasing.*\.to_bitmap\(\)'):
        erase(load('LoadCellAnnotations', coco, 0))


def test_malformed_masks_name_the_image_and_polygon_masks_are_refused():
    good, bad = {'size': [2, 2], 'counts': '4'}, {'size': [2, 2], 'counts': '3'}
    instances = [{'bbox': [0, 0, 1, 1], 'bbox_label': 0, 'ignore_flag': 0, 'mask': mask} for mask in (good, bad)]
    with pytest.raises(ValueError, match=r'a/b\.tif.*RLE 1.*it covers 3 px, expected 2 × 2 = 4'):
        LoadCellAnnotations()({'img_path': 'a/b.tif', 'ori_shape': (2, 2), 'instances': instances})
    with pytest.raises(ValueError, match='poly2mask=True'):
        LoadCellAnnotations(poly2mask=False)


def test_image_without_annotations():
    results = LoadCellAnnotations()({'ori_shape': (7, 9), 'instances': []})
    assert results['gt_masks'].to_ndarray().shape == (0, 7, 9)
    assert results['gt_bboxes'].tensor.shape == (0, 4)
