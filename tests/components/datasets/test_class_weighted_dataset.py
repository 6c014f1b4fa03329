"""The wrapper's weights, and that it hides nothing of the data set inside."""

import copy
import pickle
from math import log

import numpy as np
import pytest
from mmdet.datasets import BaseDetDataset
from mmengine.dataset import ConcatDataset

from mmcellseg.components.datasets.class_weighted_dataset import ClassWeightedDataset


def _image(index, labels, ignored=()):
    instances = [
        {'bbox': [0, 0, 4, 4], 'bbox_label': label, 'ignore_flag': int(i in ignored)} for i, label in enumerate(labels)
    ]
    return {'img_path': f'{index}.tif', 'img_id': index, 'height': 8, 'width': 8 + index, 'instances': instances}


class Cells(BaseDetDataset):
    METAINFO = {'classes': ('a', 'b', 'c')}

    def load_data_list(self):
        return copy.deepcopy(self.images)


def make(images, lazy_init=False):
    dataset = Cells(lazy_init=True, test_mode=True)
    dataset.images = images
    if not lazy_init:
        dataset.full_init()
    return dataset


# classes a: 3 + 1 = 4, b: 1, c: 0 (its only instance is ignored); N = 5
IMAGES = [_image(0, [0, 0, 0]), _image(1, [0, 1, 2], ignored={2}), _image(2, [])]


def test_weights_by_hand_after_the_data_list_was_serialised():
    wrapped = ClassWeightedDataset(make(IMAGES))
    assert wrapped.dataset.data_list == []  # mmengine empties it
    assert wrapped.image_counts.tolist() == [[3, 0, 0], [1, 1, 0], [0, 0, 0]]
    a, b = log(1 + 5 / 4), log(6)
    np.testing.assert_allclose(wrapped.class_weights, [a, b, 0])
    np.testing.assert_allclose(wrapped.image_weights, [a, (a + b) / 2, a])
    by_instance = ClassWeightedDataset(make(IMAGES), weighting='inverse', by='instance')
    np.testing.assert_allclose(by_instance.image_weights, [1.25, (1.25 + 5) / 2, 1.25])


def test_a_concatenated_data_set_is_weighed_as_one():
    both = ConcatDataset([make(IMAGES[:1]), make(IMAGES[1:])])
    wrapped = ClassWeightedDataset(both)
    np.testing.assert_allclose(wrapped.image_weights, ClassWeightedDataset(make(IMAGES)).image_weights)
    assert wrapped.cumulative_sizes == [1, 3]


def test_everything_else_reaches_the_data_set_inside():
    inner = make(IMAGES)
    wrapped = ClassWeightedDataset(inner)
    assert len(wrapped) == 3
    assert wrapped.metainfo['classes'] == ('a', 'b', 'c')
    assert wrapped.get_data_info(1)['width'] == 9
    assert wrapped.get_cat_ids(1) == inner.get_cat_ids(1)
    assert wrapped[0]['img_path'] == '0.tif'
    # a hook that switches the pipeline sets an attribute
    wrapped.pipeline = lambda info: info['img_id']
    assert wrapped[2] == 2
    assert inner.pipeline is wrapped.pipeline
    with pytest.raises(AttributeError, match='no_such_thing'):
        wrapped.no_such_thing  # noqa: B018
    for twin in (
        pickle.loads(pickle.dumps(ClassWeightedDataset(make(IMAGES)))),
        copy.deepcopy(ClassWeightedDataset(make(IMAGES))),
    ):
        assert twin.image_counts.tolist() == [[3, 0, 0], [1, 1, 0], [0, 0, 0]]
        assert twin.get_data_info(1)['img_id'] == 1


def test_a_lazy_wrapper_loads_when_its_length_is_asked_for():
    wrapped = ClassWeightedDataset(make(IMAGES, lazy_init=True), lazy_init=True)
    assert not hasattr(wrapped, 'image_weights')
    assert len(wrapped) == 3
    assert len(wrapped.image_weights) == 3
    assert ClassWeightedDataset(make(IMAGES, lazy_init=True), lazy_init=True)[1]['img_id'] == 1
