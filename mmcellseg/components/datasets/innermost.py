"""Data sets inside wrappers."""

from typing import Any


def innermost(dataset: Any) -> list[Any]:
    """The data sets below any wrappers and concatenations, in order."""
    if hasattr(dataset, 'datasets'):
        return [leaf for inner in dataset.datasets for leaf in innermost(inner)]
    return innermost(dataset.dataset) if hasattr(dataset, 'dataset') else [dataset]
