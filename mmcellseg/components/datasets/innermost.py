"""Data sets inside wrappers."""

from typing import Any


def innermost(dataset: Any) -> list[Any]:
    """The data sets below any wrappers and concatenations, in order: of a data set, or of the config of one."""

    def inside(key: str) -> Any:
        return dataset.get(key) if isinstance(dataset, dict) else getattr(dataset, key, None)

    if (several := inside('datasets')) is not None:
        return [leaf for one in several for leaf in innermost(one)]
    return [dataset] if (one := inside('dataset')) is None else innermost(one)
