"""From the config of a fusion to the fusion."""

from collections.abc import Mapping

from .fusion import Fusion
from .nms_fusion import NMSFusion
from .shared_mask_fusion import SharedMaskFusion
from .weighted_mask_fusion import WeightedMaskFusion

__all__ = ['NMSFusion', 'SharedMaskFusion', 'WeightedMaskFusion', 'build_fusion']


def build_fusion(config: Mapping) -> Fusion:
    """The fusion that a config names with its ``type``: one of ours, or any other subclass that was imported.

    Raises:
        ValueError: It is none, or does not take these options or values.
    """
    options = dict(config)
    kind = options.pop('type', None)
    known = {cls.__name__: cls for cls in _subclasses(Fusion)}
    cls = known.get(kind) if isinstance(kind, str) else kind
    if not (isinstance(cls, type) and issubclass(cls, Fusion)):
        raise ValueError(f'fusion type {kind!r}, expected one of {", ".join(sorted(known))}')
    try:
        return cls(**options)
    except TypeError as error:
        raise ValueError(f'fusion {cls.__name__}: {error}') from error


def _subclasses(cls: type) -> list[type]:
    direct: list[type] = cls.__subclasses__()
    return direct + [found for sub in direct for found in _subclasses(sub)]
