"""Where a config's data sets lie on disk."""

import os
from pathlib import Path

from mmengine.config import Config

from .datasets.innermost import innermost


def config_datasets(cfg: Config, *kinds: str) -> list[dict]:
    """The innermost data set configs of ``'train'``, ``'val'`` and ``'test'``, those that the config has."""
    loaders: list[dict] = [cfg.get(f'{kind}_dataloader') or {} for kind in kinds]
    datasets = [loader.get('dataset') for loader in loaders]
    return [leaf for dataset in datasets if isinstance(dataset, dict) for leaf in innermost(dataset)]


def annotation_file(dataset: dict) -> str | None:
    """The annotation file of a data set config, with its ``data_root`` as MMDetection joins them."""
    name = dataset.get('ann_file')
    return os.path.join(dataset.get('data_root') or '', name) if name else None


def resolve_data_paths(cfg: Config, project: Path) -> None:
    """Look for relative data paths in the working directory first, then in the project's folder. In place."""

    def resolve(holder: dict, key: str) -> None:
        path = holder.get(key)
        if path and '://' not in path and not os.path.exists(path) and (project / path).exists():
            holder[key] = str(project / path)

    for dataset in config_datasets(cfg, 'train', 'val', 'test'):
        resolve(dataset, 'data_root' if dataset.get('data_root') else 'ann_file')
    for name in ('val_evaluator', 'test_evaluator'):
        evaluators = cfg.get(name) or []
        for evaluator in evaluators if isinstance(evaluators, list) else [evaluators]:
            resolve(evaluator, 'ann_file')
