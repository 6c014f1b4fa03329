"""Checkpoints without surprises: ours hold plain data only, and of foreign ones nothing is executed.

Importing this module makes mmengine load local and downloaded checkpoints through :func:`load`, in its own tools
too: for resuming, ``load_from`` and pretrained backbones alike.
"""

import logging
import os
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import torch
from mmengine.dist import barrier, get_rank
from mmengine.logging import HistoryBuffer, print_log
from mmengine.runner import CheckpointLoader
from mmengine.runner import checkpoint as mmengine_checkpoint

from .models.unwrap import unwrapped

# Callables that rebuild tensors and containers, and do nothing else whatever their arguments.
_SAFE = {
    ('collections', 'OrderedDict'): OrderedDict,
    ('torch._utils', '_rebuild_tensor_v2'): torch._utils._rebuild_tensor_v2,
    ('torch._utils', '_rebuild_parameter'): torch._utils._rebuild_parameter,
    ('torch', 'Size'): torch.Size,
    ('torch', 'device'): torch.device,
}
_HISTORY = '_history_values_and_counts'
_PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.Tensor, torch.dtype, torch.device, torch.Size)

_trusted: set[Path] = set()


class CheckpointError(RuntimeError):
    """A checkpoint that cannot or must not be loaded."""


def trust(path: str | os.PathLike) -> None:
    """Let :func:`load` unpickle this one file as Python objects, which may execute code that it holds."""
    _trusted.add(Path(path).expanduser().resolve())


def check_fits(model: torch.nn.Module, path: str) -> None:
    """Raise ``CheckpointError`` if a model would keep weights of its own beside those of a checkpoint.

    mmengine says so in the log and goes on with random ones.
    """
    loaded = CheckpointLoader.load_checkpoint(path, map_location='cpu')
    weights = loaded.get('state_dict', loaded)
    found = {re.sub('^module[.]', '', name): tuple(value.shape) for name, value in weights.items()}
    wanted = {name: tuple(value.shape) for name, value in unwrapped(model).state_dict().items()}
    wrong = [name for name, shape in wanted.items() if found.get(name) != shape]
    wrong = [name for name in wrong if not name.endswith('.num_batches_tracked')]  # older torch did not count
    if wrong:
        name = wrong[0]
        there = f'it lacks {name}'
        if name in found:
            there = f'{name} is {list(found[name])} there, {list(wanted[name])} here'
        raise CheckpointError(f'{path}: {len(wrong)} of {len(wanted)} weights do not fit the config: {there}')


def make_plain(value: Any, name: str = 'checkpoint') -> Any:
    """Copy a checkpoint with numpy values and histories as plain Python data; nothing else needs unpickling.

    What has no plain form is left out with a warning.
    """
    if type(value) in _PLAIN:
        return value
    if isinstance(value, HistoryBuffer):
        values, counts = value.data
        return {_HISTORY: [values.tolist(), counts.tolist()], 'max_length': value.max_length}
    if isinstance(value, torch.Tensor):
        return value.detach().as_subclass(torch.Tensor)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype != object:
        return torch.from_numpy(value.copy())
    if isinstance(value, dict):
        kept: Any = OrderedDict() if isinstance(value, OrderedDict) else {}
        for key, item in value.items():
            plain = make_plain(item, f'{name}.{key}')
            if plain is not None or item is None:
                kept[make_plain(key, name)] = plain
        metadata = getattr(value, '_metadata', None)  # a module's state_dict keeps its versions there
        if metadata is not None:
            kept._metadata = make_plain(metadata, name)
        return kept
    if isinstance(value, list | tuple | set):
        items = [make_plain(item, f'{name}[{i}]') for i, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    print_log(f'{name}: left out of the checkpoint, since {type(value)} is no plain data', 'current', logging.WARNING)
    return None


def restore(checkpoint: Any) -> Any:
    """Make the histories of a plain checkpoint buffers again, and drop the config that mmengine would execute."""
    if not isinstance(checkpoint, dict):
        return checkpoint
    if isinstance(checkpoint.get('meta'), dict):
        checkpoint['meta'].pop('config', None)
    hub = checkpoint.get('message_hub')
    if isinstance(hub, dict) and isinstance(hub.get('log_scalars'), dict):
        for key, value in hub['log_scalars'].items():
            if isinstance(value, dict) and _HISTORY in value:
                hub['log_scalars'][key] = HistoryBuffer(*value[_HISTORY], value['max_length'])
    return checkpoint


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


class _InertPickle:
    """A stand-in for the module ``pickle`` whose unpickler builds weights and calls nothing else."""

    def __init__(self) -> None:
        self.replaced = replaced = set[str]()

        class Unpickler(pickle.Unpickler):
            def find_class(self, module: str, name: str) -> Any:
                found = _SAFE.get((module, name))
                if found is None and module == 'torch' and isinstance(getattr(torch, name, None), torch.dtype):
                    return getattr(torch, name)
                if found is None:
                    replaced.add(f'{module}.{name}')
                return _Inert if found is None else found

        self.Unpickler = Unpickler
        self.__name__ = 'inert_pickle'


def _tensors(checkpoint: Any) -> dict[str, torch.Tensor]:
    state = checkpoint
    for key in ('state_dict', 'model'):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict):
        return {}
    return {k: v for k, v in state.items() if isinstance(k, str) and isinstance(v, torch.Tensor)}


def load(path: str | os.PathLike, map_location: str | torch.device | Callable | None = None) -> Any:
    """Load a checkpoint without executing anything in it.

    Ours and other plain ones come whole. Of one that holds other objects only the weights come, as
    ``{'state_dict': …, 'replaced': names of the objects}``, unless :func:`trust` was told its path.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is damaged, or holds no weights that can be had without executing its pickle.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'{path}: there is no such checkpoint')
    if path.resolve() in _trusted:
        return restore(torch.load(path, map_location=map_location, weights_only=False))
    try:
        return restore(torch.load(path, map_location=map_location, weights_only=True))
    except pickle.UnpicklingError as error:
        reason = str(error)
    except (RuntimeError, EOFError, OSError) as error:
        raise CheckpointError(f'{path}: the checkpoint cannot be read, it may be cut off ({error})') from error
    # torch has refused programs (TorchScript archives) above, whatever is asked to unpickle.
    weights, inert = {}, _InertPickle()
    try:
        weights = _tensors(torch.load(path, map_location, pickle_module=inert, weights_only=False))  # type: ignore[arg-type]
    except Exception as error:
        reason = f'{type(error).__name__}: {error}'
    objects = ', '.join(sorted(inert.replaced))
    if not weights:
        raise CheckpointError(
            f'{path}: no weights can be had from this checkpoint without executing what its pickle holds '
            f'({objects or reason.strip().splitlines()[-1]}); '
            'if you know where it comes from, give --trust-checkpoint'
        )
    print_log(f'{path}: took the weights only; other objects: {objects}', 'current', logging.WARNING)
    return {'state_dict': weights, 'replaced': sorted(inert.replaced)}


def check_resumable(checkpoint: dict, path: str | os.PathLike) -> None:
    """Raise :class:`CheckpointError` if a loaded checkpoint lacks what a run goes on from."""
    missing = [key for key in ('meta', 'message_hub', 'optimizer') if key not in checkpoint]
    if missing:
        objects = ', '.join(checkpoint.get('replaced', [])) or 'none'
        raise CheckpointError(
            f'{path}: cannot resume from this checkpoint: it lacks {", ".join(missing)} (objects not loaded: '
            f'{objects}). load_from=… takes its weights; --trust-checkpoint loads it whole if you know its source'
        )


def load_from_local(filename: str, map_location: Any = None) -> Any:
    """:func:`load` as mmengine calls it; its log shortens the name."""
    return load(filename, map_location)


def load_from_http(url: str, map_location: Any = None) -> Any:
    """Download a checkpoint into torch's cache, once on each machine, and :func:`load` it."""
    target = Path(torch.hub.get_dir()) / 'checkpoints' / Path(urlparse(url).path).name
    if not target.is_file() and (get_rank() == 0 or os.environ.get('LOCAL_RANK') == '0'):
        target.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(target))
    barrier()
    return load(target, map_location)


CheckpointLoader.register_scheme(prefixes='', loader=load_from_local, force=True)
CheckpointLoader.register_scheme(prefixes=('http://', 'https://'), loader=load_from_http, force=True)
# torchvision:// and open-mmlab:// addresses download by this name.
mmengine_checkpoint.load_from_http = load_from_http
