"""A data set that knows how often each of its images should be drawn."""

from typing import Any

import numpy as np
from mmdet.registry import DATASETS

from ...data.class_weights import class_weights, image_weights


def instance_counts(dataset: Any) -> np.ndarray:
    """(I, C) instances of each class in each image of a fully initialised detection data set.

    Ignored instances do not count: they are no training targets.
    """
    counts = np.zeros((len(dataset), len(dataset.metainfo['classes'])), dtype=np.int64)
    for index, row in enumerate(counts):
        for instance in dataset.get_data_info(index).get('instances', ()):
            row[instance['bbox_label']] += not instance.get('ignore_flag', 0)
    return counts


@DATASETS.register_module()
class ClassWeightedDataset:
    """Wraps a data set and gives each image a weight from the classes that it holds.

    Nothing about the inner data set changes: every other attribute is read from it and, where it has it, written
    to it, so that tools, samplers and hooks treat the wrapper as the data set. ``WeightedRandomSampler`` draws by
    :attr:`image_weights`.

    Args:
        dataset: A detection data set (``CellDataset``, or a ``ConcatDataset`` of them) or its config.
        weighting: From counts to class weights, see :func:`~mmcellseg.data.class_weights.class_weights`.
        by: From class weights to image weights, see :func:`~mmcellseg.data.class_weights.image_weights`.
        lazy_init: Load the annotations when they are asked for: by length, by item or by :meth:`full_init`.

    Attributes:
        image_counts: (I, C) instances of each class in each image.
        class_weights: (C,) float64.
        image_weights: (I,) float64, not normalised.
    """

    _OWN = frozenset(
        ('dataset', 'weighting', 'by', 'image_counts', 'class_weights', 'image_weights', '_fully_initialized')
    )

    def __init__(self, dataset: Any, weighting: str = 'log', by: str = 'class', lazy_init: bool = False):
        class_weights([1], weighting)  # an unknown name is refused here, before annotations are loaded
        image_weights(np.ones((1, 1)), [1], by)
        self.dataset = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        self.weighting, self.by = weighting, by
        self._fully_initialized = False
        if not lazy_init:
            self.full_init()

    def full_init(self) -> None:
        """Load the inner data set and compute the weights."""
        if self._fully_initialized:
            return
        self.dataset.full_init()
        self.image_counts = instance_counts(self.dataset)
        self.class_weights = class_weights(self.image_counts.sum(0), self.weighting)
        self.image_weights = image_weights(self.image_counts, self.class_weights, self.by)
        self._fully_initialized = True

    def __len__(self) -> int:
        self.full_init()
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        self.full_init()
        return self.dataset[index]

    def __getattr__(self, name: str) -> Any:
        # Unpickling in a worker asks for special methods before `dataset` is there.
        if name in self._OWN or name.startswith('__'):
            raise AttributeError(f'{type(self).__name__!r} object has no attribute {name!r}')
        return getattr(self.dataset, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._OWN or not hasattr(self.dataset, name):
            object.__setattr__(self, name, value)
        else:
            setattr(self.dataset, name, value)
