"""Hold-out splits: disjoint, complete, the same for the same seed, fair to rare classes."""

import json

import numpy as np
import pytest

from mmcellseg.data.split import holdout_split, image_class_counts, subset, write_holdout


def coco_of(table):
    """A json of images 1… whose row of ``table`` gives the instances of each class."""
    annotations = [
        {'image_id': image_id, 'category_id': category}
        for image_id, row in enumerate(table, start=1)
        for category, number in enumerate(row, start=1)
        for _ in range(number)
    ]
    for number, annotation in enumerate(annotations, start=1):
        annotation['id'] = number
    return {
        'images': [{'id': n, 'file_name': f'{n}.tif', 'height': 9, 'width': 9} for n in range(1, len(table) + 1)],
        'annotations': annotations,
        'categories': [{'id': n, 'name': f'class{n}'} for n in range(1, len(table[0]) + 1)],
    }


def test_subset_keeps_ids_order_and_the_annotations_of_the_images():
    coco = coco_of([[1, 0], [2, 1], [0, 1]])
    small = subset(coco, [3, 1])
    assert [image['id'] for image in small['images']] == [1, 3]
    assert [a['id'] for a in small['annotations']] == [1, 5]
    assert small['categories'] == coco['categories']
    with pytest.raises(ValueError, match=r'not in the json: \[7\]'):
        subset(coco, [1, 7])


def test_counts_per_image_and_class():
    ids, counts = image_class_counts(coco_of([[1, 0], [2, 1]]))
    assert ids.tolist() == [1, 2]
    assert counts.tolist() == [[1, 0], [2, 1]]


@pytest.mark.parametrize('seed', range(20))
def test_every_class_of_two_images_is_on_both_sides_in_its_share(seed):
    rng = np.random.default_rng(seed)
    present = rng.random((60, 4)) < [0.9, 0.7, 0.15, 0.08]
    present[:2, 3] = True
    training, validation = holdout_split(coco_of(present.astype(int)), 0.2, seed)
    assert sorted(training + validation) == list(range(1, 61))
    assert not set(training) & set(validation)
    assert 10 <= len(validation) <= 15
    there = present[np.array(validation) - 1].sum(0)
    assert (there >= 1).all()
    assert (there < present.sum(0)).all()
    # The rarest class is drawn first, so its share is exact.
    rarest = np.argmin(present.sum(0))
    assert there[rarest] == max(round(0.2 * present.sum(0)[rarest]), 1)


def test_a_class_of_one_image_stays_in_training():
    for seed in range(10):
        training, _ = holdout_split(coco_of([[1, 1]] + [[1, 0]] * 9), 0.5, seed)
        assert 1 in training


def test_seed_and_order_of_the_json():
    coco = coco_of([[1, n % 3] for n in range(30)])
    assert holdout_split(coco, 0.2, 0) == holdout_split(coco, 0.2, 0)
    assert holdout_split(coco, 0.2, 0) != holdout_split(coco, 0.2, 1)
    turned = {**coco, 'images': coco['images'][::-1], 'annotations': coco['annotations'][::-1]}
    assert holdout_split(turned, 0.2, 0) == holdout_split(coco, 0.2, 0)


@pytest.mark.parametrize('table', [[[1], [0]], [[1, 0], [0, 1]], [[0], [0], [0]]])
def test_both_sides_have_an_image(table):
    training, validation = holdout_split(coco_of(table), 0.2, 0)
    assert training
    assert validation


def test_bad_fractions_and_too_few_images():
    for fraction in (0, 1, -0.2):
        with pytest.raises(ValueError, match='between 0 and 1'):
            holdout_split(coco_of([[1], [1]]), fraction, 0)
    with pytest.raises(ValueError, match='needs two images, there are 1'):
        holdout_split(coco_of([[1]]), 0.2, 0)


def test_write_holdout(tmp_path):
    coco = coco_of([[1, 1]] * 10)
    (tmp_path / 'train.json').write_text(json.dumps(coco))
    paths = write_holdout(tmp_path, 0.3, 5)
    assert [path.name for path in paths] == ['train_holdout.json', 'val_holdout.json']
    train, val = (json.loads(path.read_text()) for path in paths)
    assert (len(train['images']), len(val['images'])) == (7, 3)
    assert (len(train['annotations']), len(val['annotations'])) == (14, 6)
