"""Checkpoints without surprises: damage is found before loading, and of foreign ones nothing is executed.

Importing this module makes mmengine load local and downloaded checkpoints through :func:`load`, in its own tools
too: for resuming, ``load_from`` and pretrained backbones alike.
"""

import logging
import os
import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlparse

import torch
from mmengine.dist import barrier, get_rank
from mmengine.logging import print_log
from mmengine.runner import CheckpointLoader
from mmengine.runner import checkpoint as mmengine_checkpoint

from .models.unwrap import unwrapped
from .plain_checkpoint import restore

_trusted: set[Path] = set()
# Callables that rebuild tensors and containers, and do nothing else whatever their arguments.
_SAFE = {
    ('collections', 'OrderedDict'): OrderedDict,
    ('torch._utils', '_rebuild_tensor_v2'): torch._utils._rebuild_tensor_v2,
    ('torch._utils', '_rebuild_parameter'): torch._utils._rebuild_parameter,
    ('torch', 'Size'): torch.Size,
    ('torch', 'device'): torch.device,
}


class CheckpointError(RuntimeError):
    """A checkpoint that cannot or must not be loaded."""


class _Inert:
    """What a foreign pickle gets in place of any object that is not a weight: all that is done to it has no effect."""

    def __new__(cls, *args: Any, **kwargs: Any) -> '_Inert':
        return object.__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def __call__(self, *args: Any, **kwargs: Any) -> '_Inert':
        return self

    def __hash__(self) -> int:
        return id(self)

    __setstate__ = __setitem__ = append = extend = __init__


class InertPickle:
    """A stand-in for the module ``pickle`` whose unpickler builds weights and calls nothing else.

    Attributes:
        replaced: Names of the objects that were left out.
    """

    __name__ = 'inert_pickle'

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

    def load(self, file: BinaryIO, **options: Any) -> Any:
        """As :func:`pickle.load`; torch reads the head of its old format so."""
        return self.Unpickler(file, **options).load()


def trust(path: str | os.PathLike) -> None:
    """Let :func:`load` unpickle this one file as Python objects, which may execute code that it holds."""
    _trusted.add(Path(path).expanduser().resolve())


def _check_checksums(path: Path) -> None:
    """Raise ``CheckpointError`` if a record of a checkpoint differs from its checksum; torch does not look.

    torch's old format has no checksums, and after ``torch.serialization.set_crc32_options(False)`` they are all 0.
    """
    with open(path, 'rb') as file:
        head = file.read(4)
    if head != b'PK\x03\x04' and not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            records = archive.infolist()
            # Of what is marked as a folder torch reads nothing, and gives the memory as it was.
            damaged = next((record.filename for record in records if record.external_attr & 0x10), None)
            if damaged is None and any(record.CRC for record in records):
                damaged = archive.testzip()
    except Exception as error:  # of many kinds: each field of a zip can be damaged
        raise CheckpointError(f'{path}: the checkpoint is damaged or cut off ({_line(error)}): take another') from error
    if damaged is not None:
        raise CheckpointError(f'{path}: the checkpoint is damaged: {damaged} is not what was saved: take another')


def _line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f'{type(error).__name__}: {text[0]}' if text else type(error).__name__


def _tensors(checkpoint: Any) -> dict[str, torch.Tensor]:
    state = checkpoint
    for key in ('state_dict', 'model'):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    named = state.items() if isinstance(state, dict) else ()
    return {k: v for k, v in named if isinstance(k, str) and isinstance(v, torch.Tensor)}


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
    _check_checksums(path)
    trusted = path.resolve() in _trusted
    try:
        return restore(torch.load(path, map_location, weights_only=not trusted))
    except Exception as error:  # a damaged head raises errors of many kinds
        if trusted or not isinstance(error, pickle.UnpicklingError):
            raise CheckpointError(f'{path}: cannot be read as a checkpoint ({_line(error)})') from error
    # torch has refused programs (TorchScript archives) above, whatever is asked to unpickle.
    weights, inert, reason = {}, InertPickle(), 'it holds no weights'
    try:
        weights = _tensors(torch.load(path, map_location, pickle_module=inert, weights_only=False))  # type: ignore[arg-type]
    except Exception as error:
        reason = _line(error)
    replaced = sorted(inert.replaced)
    objects = ', '.join(replaced)
    if weights:
        print_log(f'{path}: took the weights only; other objects: {objects or "none"}', 'current', logging.WARNING)
        return {'state_dict': weights, 'replaced': replaced}
    if not objects:
        raise CheckpointError(f'{path}: cannot be read as a checkpoint ({reason})')
    raise CheckpointError(
        f'{path}: no weights can be had from this checkpoint without executing what its pickle holds ({objects}); '
        'if you know where it comes from, give --trust-checkpoint'
    )


def check_resumable(checkpoint: dict, path: str | os.PathLike) -> None:
    """Raise :class:`CheckpointError` if a loaded checkpoint lacks what a run goes on from."""
    missing = [key for key in ('meta', 'message_hub', 'optimizer') if key not in checkpoint]
    if missing:
        objects = ', '.join(checkpoint.get('replaced', [])) or 'none'
        raise CheckpointError(
            f'{path}: cannot resume from this checkpoint: it lacks {", ".join(missing)} (objects not loaded: '
            f'{objects}). load_from=… takes its weights; --trust-checkpoint loads it whole if you know its source'
        )


def check_fits(model: torch.nn.Module, path: str | os.PathLike) -> None:
    """Raise ``CheckpointError`` if a model would keep weights of its own beside those of a checkpoint.

    mmengine says so in the log and goes on with random ones.
    """
    loaded = CheckpointLoader.load_checkpoint(str(path), map_location='cpu')
    weights = loaded.get('state_dict', loaded)
    found = {re.sub('^module[.]', '', k): tuple(v.shape) for k, v in weights.items() if isinstance(v, torch.Tensor)}
    wanted = {name: tuple(value.shape) for name, value in unwrapped(model).state_dict().items()}
    # Older torch did not count batches.
    wrong = [n for n, shape in wanted.items() if found.get(n) != shape and not n.endswith('.num_batches_tracked')]
    if wrong:
        first: dict[str, str] = {}
        for name in wrong:
            first.setdefault(_part_of(name), name)
        said = '; '.join(f'{part}: {_difference(name, found, wanted)}' for part, name in first.items())
        raise CheckpointError(
            f'{path}: {len(wrong)} of {len(wanted)} weights do not fit the config: {said}. Take the config of its '
            'training, or its own checkpoint'
        )


def _part_of(name: str) -> str:
    """The part of a detector that a weight belongs to: anchors, classes, or its outermost modules."""
    if re.match(r'rpn_head\.(rpn_cls|rpn_reg)\.', name):
        return 'anchors'
    if re.search(r'\.(fc_cls|fc_reg|conv_logits)\.', name):
        return 'classes'
    return '.'.join(name.split('.')[: 2 if name.startswith('roi_head.') else 1])


def _difference(name: str, found: dict, wanted: dict) -> str:
    if name not in found:
        return f'the checkpoint lacks {name}'
    there, here = found[name], wanted[name]
    # Rows of a layer to anchors or classes: (rows for each, rows of the background).
    counts = {'rpn_cls': (1, 0), 'rpn_reg': (4, 0), 'fc_cls': (1, 1), 'conv_logits': (1, 0)}
    layer = name.split('.')[-2]
    if layer in counts and there[1:] == here[1:]:
        per, background = counts[layer]
        return f'{there[0] // per - background} there, {here[0] // per - background} here'
    return f'{name} is {list(there)} there, {list(here)} here'


def load_from_local(filename: str, map_location: Any = None) -> Any:
    """:func:`load` as mmengine calls it; its log shortens the name."""
    return load(filename, map_location)


def load_from_http(url: str, map_location: Any = None) -> Any:
    """Download a checkpoint into torch's cache, once on each machine, and :func:`load` it."""
    target = Path(torch.hub.get_dir()) / 'checkpoints' / Path(urlparse(url).path).name
    if not target.is_file() and (get_rank() == 0 or os.environ.get('LOCAL_RANK') == '0'):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(target))
        except OSError as error:  # URLError is one
            raise CheckpointError(
                f'{url}: cannot be downloaded ({_line(error)}). Without a network, fetch it elsewhere and put it at '
                f'{target}, or train from random weights (model.backbone.init_cfg=None, load_from=None)'
            ) from error
    barrier()
    try:
        return load(target, map_location)
    except CheckpointError as error:
        raise CheckpointError(f'{error}. Delete it, and it is downloaded again') from error


CheckpointLoader.register_scheme(prefixes='', loader=load_from_local, force=True)
CheckpointLoader.register_scheme(prefixes=('http://', 'https://'), loader=load_from_http, force=True)
# torchvision:// and open-mmlab:// addresses download by this name.
mmengine_checkpoint.load_from_http = load_from_http
