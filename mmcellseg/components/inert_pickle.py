"""An unpickler that builds weights and calls nothing else, for checkpoints that hold objects."""

import pickle
from collections import OrderedDict
from typing import Any, BinaryIO

import torch

# Callables that rebuild tensors and containers, and do nothing else whatever their arguments.
_SAFE = {
    ('collections', 'OrderedDict'): OrderedDict,
    ('torch._utils', '_rebuild_tensor_v2'): torch._utils._rebuild_tensor_v2,
    ('torch._utils', '_rebuild_parameter'): torch._utils._rebuild_parameter,
    ('torch', 'Size'): torch.Size,
    ('torch', 'device'): torch.device,
}


class _Inert:
    """What a foreign pickle gets in place of any object that is not a weight."""

    def __new__(cls, *args: Any, **kwargs: Any) -> '_Inert':
        return object.__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def __call__(self, *args: Any, **kwargs: Any) -> '_Inert':
        return self

    def __setstate__(self, state: Any) -> None: ...

    def __setitem__(self, key: Any, value: Any) -> None: ...

    def __hash__(self) -> int:
        return id(self)

    def append(self, value: Any) -> None: ...

    def extend(self, values: Any) -> None: ...


class InertPickle:
    """A stand-in for the module ``pickle`` whose unpickler builds weights and calls nothing else.

    Attributes:
        replaced: Names of the objects that were left out.
    """

    def __init__(self) -> None:
        self.replaced = replaced = set[str]()

        # The one in Python: in C, a damaged index of an object takes gigabytes.
        class Unpickler(pickle._Unpickler):  # type: ignore[name-defined]
            def find_class(self, module: str, name: str) -> Any:
                found = _SAFE.get((module, name))
                if found is None and module == 'torch' and isinstance(getattr(torch, name, None), torch.dtype):
                    return getattr(torch, name)
                if found is None:
                    replaced.add(f'{module}.{name}')
                return _Inert if found is None else found

        self.Unpickler = Unpickler
        self.__name__ = 'inert_pickle'

    def load(self, file: BinaryIO, **options: Any) -> Any:
        """As :func:`pickle.load`; torch reads the head of its old format so."""
        return self.Unpickler(file, **options).load()
