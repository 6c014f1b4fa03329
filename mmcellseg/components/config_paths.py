"""The data sets of a config, and where they lie on disk."""

import os
from typing import Any

from mmengine.config import Config


def innermost(dataset: Any) -> list[Any]:
    """The data sets below any wrappers and concatenations, in order: of a data set, or of the config of one."""

    def inside(key: str) -> Any:
        return dataset.get(key) if isinstance(dataset, dict) else getattr(dataset, key, None)

    if (several := inside('datasets')) is not None:
        return [leaf for one in several for leaf in innermost(one)]
    return [dataset] if (one := inside('dataset')) is None else innermost(one)


def config_datasets(cfg: Config, *kinds: str) -> list[dict]:
    """The innermost data set configs of ``'train'``, ``'val'`` and ``'test'``, those that the config has."""
    datasets = [(cfg.get(f'{kind}_dataloader') or {}).get('dataset') for kind in kinds]
    return [leaf for dataset in datasets if isinstance(dataset, dict) for leaf in innermost(dataset)]


def annotation_file(dataset: dict) -> str | None:
    """The annotation file of a data set config, with its ``data_root`` as MMDetection joins them."""
    name = dataset.get('ann_file')
    return os.path.join(dataset.get('data_root') or '', name) if name else None
