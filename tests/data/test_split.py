"""Hold-out splits: disjoint, complete, the same for the same seed, fair to rare classes."""

import json

import numpy as np
import pytest
from drawn_cells import coco_of

from mmcellseg.data.split import holdout_split, image_class_counts, subset, unbalanced, write_holdout


def test_subset_keeps_ids_order_and_the_annotations_of_the_images():
    coco = coco_of([[1, 0], [2, 1], [0, 1]])
    small = subset(coco, [3, 1])
    assert [image['id'] for image in small['images']] == [1, 3]
    assert [a['id'] for a in small['annotations']] == [1, 5]
    assert small['categories'] == coco['categories']
    ids, counts = image_class_counts(coco)
    assert (ids.tolist(), counts.tolist()) == ([1, 2, 3], [[1, 0], [2, 1], [0, 1]])


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


def test_both_sides_have_an_image():
    for table in ([[1], [0]], [[1, 0], [0, 1]], [[0], [0], [0]]):
        assert all(holdout_split(coco_of(table), 0.2, 0))
    for fraction in (0, 1, -0.2):
        with pytest.raises(ValueError, match='between 0 and 1'):
            holdout_split(coco_of([[1], [1]]), fraction, 0)
    with pytest.raises(ValueError, match='needs two images, there are 1'):
        holdout_split(coco_of([[1]]), 0.2, 0)


def cells_held_out(table, fraction, seed):
    _, validation = holdout_split(coco_of(table), fraction, seed)
    return np.array(table)[np.array(validation) - 1].sum(0).tolist()


def test_cells_are_balanced_not_only_images():
    # Of 1,573 cells a fifth is 315; the images alone would often leave the small ones, 36 cells and fewer.
    cells = [[n] for n in (772, 320, 140, 90, 80, 60, 40, 20, 18, 18, 10, 5)]
    for seed in range(12):
        # 140 + 90 + 80 and 320 + 5: no exchange of two images comes nearer
        assert cells_held_out(cells, 0.2, seed) in ([310], [325])
    # Half of each class lies in the images 1, 2 and 3, 4: one of each pair brings a quarter of both.
    table = [[50, 0], [50, 0], [0, 20], [0, 20], *[[25, 10]] * 4]
    for seed in range(8):
        assert cells_held_out(table, 0.25, seed) == [50, 20]


def test_what_cannot_be_balanced_is_said():
    coco = coco_of([[900, 1], [30, 0], [40, 0], [30, 0]])
    assert unbalanced(coco, [3], 0.25) == ['class1 40 of 1,000', 'class2 0 of 1', 'all classes 40 of 1,001']
    assert unbalanced(coco, [1], 0.25) == ['class1 900 of 1,000', 'class2 1 of 1', 'all classes 901 of 1,001']
    assert unbalanced(coco_of([[3, 5], [1, 1], [0, 2]]), [2], 0.25) == []  # a quarter and an eighth


def test_write_holdout(tmp_path, caplog):
    paths = write_holdout(coco_of([[1, 1]] * 10), 0.3, 5, tmp_path)
    assert [path.name for path in paths] == ['train_holdout.json', 'val_holdout.json']
    train, val = (json.loads(path.read_text()) for path in paths)
    assert (len(train['images']), len(val['images'])) == (7, 3)
    assert (len(train['annotations']), len(val['annotations'])) == (14, 6)
    assert not caplog.messages
    write_holdout(coco_of([[900], [30], [40], [30]]), 0.25, 0, tmp_path)
    assert '25 % of the cells of every class are held out: validation has class1 ' in caplog.text
