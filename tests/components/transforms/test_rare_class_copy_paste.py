"""Pasted cells, their masks, and what they may cover."""

import json
import pickle

import numpy as np
import pytest
import torch
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes
from PIL import Image

from mmcellseg.components.box_masks import BoxMasks
from mmcellseg.components.transforms.rare_class_copy_paste import RareClassCopyPaste, paste, rare_labels


def masks_of(*boxes, size=(12, 16)):
    bitmaps = np.zeros((len(boxes), *size), np.uint8)
    for bitmap, (x1, y1, x2, y2) in zip(bitmaps, boxes):
        bitmap[y1:y2, x1:x2] = 1
    return BoxMasks.from_bitmaps(bitmaps) if len(boxes) else BoxMasks.from_rles([], *size)


def test_rare_labels_by_hand():
    assert rare_labels([14537, 15653, 630, 587], 0.1) == [2, 3]
    assert rare_labels([9, 1, 0], 0.1) == []  # 1 of 10 is not less than a tenth; an absent class cannot be pasted


def test_a_pasted_cell_takes_the_pixels_that_it_covers():
    there = masks_of((0, 0, 4, 5), (10, 10, 12, 12))
    pasted = paste(there, np.ones((4, 4), np.uint8), (3, 3), max_overlap=0.125)  # covers x 3, y 3–4: 2 of 20 and 16
    assert pasted.areas.tolist() == [18, 4, 16]
    expected = there.to_ndarray()
    expected[0, 3:5, 3] = 0
    np.testing.assert_array_equal(pasted.to_ndarray()[:2], expected)
    assert pasted.tight_boxes().tolist()[2] == [3, 3, 7, 7]
    assert there.areas.tolist() == [20, 4]  # the masks before stay as they were


def test_overlap_limits():
    cell, small = masks_of((0, 0, 4, 5)), masks_of((0, 0, 2, 1))
    # 2 of the 16 pixels of the new cell lie on a cell of 20: 0.125
    assert paste(cell, np.ones((4, 4), np.uint8), (3, 3), 0.125) is not None
    assert paste(cell, np.ones((4, 4), np.uint8), (3, 3), 0.12) is None
    # one of the two pixels of a small cell: 0.5
    assert paste(small, np.ones((5, 5), np.uint8), (1, 0), 0.5) is not None
    assert paste(small, np.ones((5, 5), np.uint8), (1, 0), 0.49) is None
    # 1 of 4 pixels on each of two cells: half of the new one
    two = masks_of((0, 0, 3, 3), (5, 0, 8, 3))
    bar = np.ones((1, 4), np.uint8)
    assert paste(two, bar, (2, 0), 0.5) is not None
    assert paste(two, bar, (2, 0), 0.49) is None


@pytest.fixture
def source(tmp_path):
    """Two images: the first is red with a common cell, the second green with one L-shaped rare cell of 5 px."""
    for name, colour in (('a.png', (200, 0, 0)), ('b.png', (0, 150, 0))):
        Image.new('RGB', (16, 12), colour).save(tmp_path / name)
    rare = np.zeros((1, 12, 16), np.uint8)
    rare[0, 2:5, 3] = rare[0, 4, 3:6] = 1
    rles = [*masks_of((0, 0, 3, 3)).to_rles(), *BoxMasks.from_bitmaps(rare).to_rles()]
    annotations = [
        {'id': i + 1, 'image_id': i + 1, 'category_id': i + 1, 'segmentation': {**r, 'counts': r['counts'].decode()}}
        for i, r in enumerate(rles)
    ]
    categories = [{'id': 1, 'name': 'common'}, {'id': 2, 'name': 'rare'}]
    images = [{'id': i + 1, 'file_name': f'{name}.png', 'height': 12, 'width': 16} for i, name in enumerate('ab')]
    coco = {'images': images, 'annotations': annotations, 'categories': categories}
    (tmp_path / 'train.json').write_text(json.dumps(coco))
    return tmp_path


def sample(folder, name='a.png'):
    masks = masks_of((0, 0, 3, 3))
    return {
        'img': np.asarray(Image.open(folder / name))[..., ::-1].copy(),
        'img_path': str(folder / name),
        'scale_factor': (1.0, 1.0),
        'gt_masks': masks,
        'gt_bboxes': HorizontalBoxes(torch.tensor([[0.0, 0, 3, 3]])),
        'gt_bboxes_labels': np.array([0]),
        'gt_ignore_flags': np.array([False]),
    }


def build(folder, **options):
    options = {'ann_file': 'train.json', 'data_root': str(folder), 'classes': ['rare'], 'num': (1, 1), **options}
    return TRANSFORMS.build({'type': 'RareClassCopyPaste', **options})


@pytest.mark.parametrize('seed', range(6))
def test_image_masks_boxes_and_labels_agree(source, seed):
    np.random.seed(seed)
    results = build(source, max_overlap=0.0).transform(sample(source))
    assert results['gt_bboxes_labels'].tolist() == [0, 1]
    assert results['gt_ignore_flags'].tolist() == [False, False]
    pasted = results['gt_masks'].to_ndarray()[1] > 0
    assert pasted.sum() == 5
    # the cell's pixels are green (BGR), all others are as they were
    assert (results['img'][pasted] == (0, 150, 0)).all()
    assert (results['img'][~pasted] == (0, 0, 200)).all()
    y, x = np.nonzero(pasted)
    box = [x.min(), y.min(), x.max() + 1, y.max() + 1]
    assert results['gt_bboxes'].tensor.tolist() == [[0, 0, 3, 3], box]


def test_draws_follow_the_seed(source):
    def run(seed):
        np.random.seed(seed)
        return build(source, num=(1, 3)).transform(sample(source))['gt_masks'].to_ndarray()

    first = run(3)
    np.testing.assert_array_equal(first, run(3))
    others = [run(seed) for seed in range(4, 9)]
    assert any(o.shape != first.shape or (o != first).any() for o in others)


def test_where_nothing_is_pasted_the_image_is_left_alone(source):
    full = sample(source)
    full['gt_masks'] = masks_of((0, 0, 16, 12))
    never = pickle.loads(pickle.dumps(build(source, prob=0.0)))
    common = RareClassCopyPaste('train.json', str(source))  # without a rare class
    own = sample(source, 'b.png')  # the rare cell's own image
    for transform, given in (
        (build(source, max_overlap=0.0), full),
        (never, sample(source)),
        (common, sample(source)),
        (build(source), own),
    ):
        kept = transform.transform(dict(given))
        assert all(kept[key] is given[key] for key in given)


def test_pastes_into_an_image_without_cells(source):
    empty = sample(source)
    empty.update(gt_masks=masks_of(), gt_bboxes=HorizontalBoxes(torch.zeros(0, 4)))
    empty.update(gt_bboxes_labels=np.zeros(0, np.int64), gt_ignore_flags=np.zeros(0, bool))
    assert build(source).transform(empty)['gt_bboxes_labels'].tolist() == [1]


def test_cells_are_read_with_the_scale_of_the_images(source):
    np.random.seed(0)
    results = build(source, max_overlap=0.0, scale=(0, 300)).transform(sample(source))
    pasted = results['gt_masks'].to_ndarray()[1] > 0
    assert (results['img'][pasted] == (0, 128, 0)).all()  # 150 of 300, on 0–255: 127.5
    with pytest.raises(ValueError, match='scale'):
        build(source, scale='bright')


def test_polygons_are_pasted_and_a_mask_of_another_size_names_its_image(source):
    coco = json.loads((source / 'train.json').read_text())
    coco['annotations'][1]['segmentation'] = [[3, 2, 8, 2, 8, 6, 3, 6]]
    (source / 'polygons.json').write_text(json.dumps(coco))
    np.random.seed(0)
    pasted = build(source, ann_file='polygons.json', max_overlap=0.0).transform(sample(source))
    assert pasted['gt_masks'].areas.tolist() == [9, 20]
    coco['annotations'][1]['segmentation'] = {'size': [9, 9], 'counts': '0a2'}
    (source / 'size.json').write_text(json.dumps(coco))
    with pytest.raises(ValueError, match=r'b\.png: mask of a cell to paste: .*expected \[12, 16\]'):
        build(source, ann_file='size.json').transform(sample(source))


def test_bad_input_is_refused(source):
    coco = json.loads((source / 'train.json').read_text())
    coco['annotations'][0]['category_id'] = 9
    (source / 'strange.json').write_text(json.dumps(coco))
    with pytest.raises(
        ValueError, match=r'strange.json: annotations\[0\] \(id 1\): category_id 9 is not among \[1, 2\]'
    ):
        build(source, ann_file='strange.json')
    with pytest.raises(ValueError, match=r'train.json: no class blue; it has common, rare'):
        build(source, classes=['blue'])
    del coco['annotations'][0]
    (source / 'one.json').write_text(json.dumps(coco))
    with pytest.raises(ValueError, match=r'one.json: no cells of a rare class to paste \(found common'):
        build(source, ann_file='one.json', classes=[coco['categories'][0]['name']])
    resized = sample(source)
    resized['scale_factor'] = (2.0, 2.0)
    with pytest.raises(ValueError, match='put RareClassCopyPaste before Resize'):
        build(source).transform(resized)
