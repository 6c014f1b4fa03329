"""CellDataset: the classes must match, and what is dropped is counted."""

import json
import logging

import pytest
from drawn_cells import rectangle, rle

from mmcellseg.components.datasets.cell_dataset import CellDataset, dropped_reason


def annotation(number, image_id=1, category_id=1, bbox=(2, 3, 4, 5), area=20, **more):
    mask = rle(rectangle((31 if image_id == 2 else 40, 50), 2, 3, 6, 8))
    ids = {'id': number, 'image_id': image_id, 'category_id': category_id}
    return {**ids, 'bbox': list(bbox), 'area': area, 'iscrowd': 0, 'segmentation': mask, **more}


@pytest.fixture
def coco():
    return {
        'images': [
            {'id': n, 'file_name': f'{n}.tif', 'height': h, 'width': 50} for n, h in ((1, 40), (2, 31), (3, 40))
        ],
        'annotations': [annotation(1), annotation(2, category_id=3), annotation(3, image_id=2)],
        'categories': [{'id': n, 'name': f'class{n}'} for n in range(1, 5)],
    }


@pytest.fixture
def build(tmp_path, coco):
    def _build(**kwargs):
        (tmp_path / 'annotations').mkdir(exist_ok=True)
        (tmp_path / 'annotations/train.json').write_text(json.dumps(coco))
        kwargs = {'ann_file': 'annotations/train.json', 'pipeline': [], **kwargs}
        return CellDataset(data_root=str(tmp_path), data_prefix={'img': ''}, **kwargs)

    return _build


@pytest.fixture
def log(monkeypatch):
    lines = []
    monkeypatch.setattr(
        'mmcellseg.components.datasets.cell_dataset.print_log', lambda text, logger, level: lines.append((level, text))
    )
    return lines


def test_instances_keep_their_rle_and_labels_follow_the_classes(build, coco):
    first = build().get_data_info(0)
    assert [i['bbox_label'] for i in first['instances']] == [0, 2]
    assert first['instances'][0]['bbox'] == [2, 3, 6, 8]
    assert first['instances'][0]['mask'] == coco['annotations'][0]['segmentation']
    assert (first['height'], first['width'], first['img_id']) == (40, 50, 1)


def test_small_images_stay_and_empty_ones_go_with_a_word_in_training_only(build, log):
    dataset = build()
    assert [dataset.get_data_info(i)['img_id'] for i in range(len(dataset))] == [1, 2]
    assert log[-1][0] == logging.WARNING
    assert 'leaves out 1 of 3 images: 0 under 0 px, 1 without cells' in log[-1][1]
    assert len(build(test_mode=True)) == 3
    assert len(build(filter_cfg={})) == 3
    assert len(build(filter_cfg={'filter_empty_gt': True, 'min_size': 32})) == 1
    assert 'leaves out 2 of 3 images: 1 under 32 px, 1 without cells' in log[-1][1]


def test_what_mmdetection_drops_is_counted_by_reason(build, coco, log):
    odd = [{'bbox': (2, 3, 0.5, 5)}, {'bbox': (2, 3, 5, 0.5)}, {'area': 0}, {'bbox': (60, 3, 4, 4)}]
    odd += [{'category_id': 9}, {'ignore': True}, {'bbox': (-3, 3, 4, 4)}, {'image_id': 9}]
    coco['annotations'] += [annotation(number, **values) for number, values in enumerate(odd, start=4)]
    dataset = build()
    assert sum(len(dataset.get_data_info(i)['instances']) for i in range(len(dataset))) == 4
    assert log[0] == (
        logging.WARNING,
        f'{dataset.ann_file}: 3 images, 4 cells; left out: 7 cells (1 area of 0 px² or less, 1 box outside the image, '
        '2 box under 1 px, 1 marked "ignore", 1 of an image that the file does not list, 1 unknown category)',
    )


def test_reasons_agree_with_mmdetection_on_random_boxes(build, coco, rng):
    boxes = rng.uniform(-8, 55, (400, 4)) * [1, 1, 0.1, 0.1]
    coco['annotations'] = [
        annotation(n, bbox=box, area=float(rng.integers(-1, 3)), category_id=int(rng.integers(1, 7)))
        for n, box in enumerate(boxes.tolist(), start=1)
    ]
    kept = sum(dropped_reason(a, coco['images'][0], [1, 2, 3, 4]) is None for a in coco['annotations'])
    dataset = build(test_mode=True)
    assert 0 < kept < 400
    assert len(dataset.get_data_info(0)['instances']) == kept


@pytest.mark.parametrize('names', [('a', 'b'), ('class1', 'class2', 'class4', 'class3')])
def test_other_classes_or_another_order_is_an_error_that_names_both(build, names):
    with pytest.raises(ValueError, match=r"\['class1', 'class2', 'class3', 'class4'\].*\['(a|class1)', '(b|class2)'"):
        build(metainfo={'classes': names})


def test_a_file_that_is_not_there_or_leaves_no_image_is_named(build, coco):
    with pytest.raises(FileNotFoundError, match=r'nowhere\.json: there is no such annotation file; .*cells2coco'):
        build(ann_file='nowhere.json')
    coco['annotations'] = []
    with pytest.raises(ValueError, match=r'train\.json: none of its 3 images is left .*test_mode=True'):
        build()
    assert len(build(test_mode=True)) == 3


def test_any_number_of_classes_gets_as_many_colours(build, coco):
    coco['categories'] = [{'id': n, 'name': f'kind{n}'} for n in range(1, 7)]
    metainfo = build(metainfo={'classes': [f'kind{n}' for n in range(1, 7)]}).metainfo
    assert len(metainfo['palette']) == 6
    assert len(set(metainfo['palette'])) == 6
    assert len(CellDataset.METAINFO['palette']) == 4
