"""What mmengine saves as plain Python data, which nothing has to be executed for, and back."""

import logging
from collections import OrderedDict
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, print_log
from mmengine.runner import LogProcessor

_HISTORY = '_history_values_and_counts'
_PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.Tensor, torch.dtype, torch.device, torch.Size)


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
        if (metadata := getattr(value, '_metadata', None)) is not None:  # versions of a module's state_dict
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
    if isinstance(hub, dict) and isinstance(scalars := hub.get('log_scalars'), dict):
        for key, value in scalars.items():
            if isinstance(value, dict) and _HISTORY in value:
                scalars[key] = HistoryBuffer(*value[_HISTORY], value['max_length'])
    return checkpoint


def trim_histories(message_hub: dict, log_processor: LogProcessor) -> None:
    """Of each history in a message hub's state keep what a resumed run still averages: they grow with iterations."""
    if log_processor.custom_cfg:  # with windows of its own, some of which take in the whole run
        return
    length = log_processor.window_size
    for key, history in message_hub['log_scalars'].items():
        values, counts = history.data
        message_hub['log_scalars'][key] = HistoryBuffer(values[-length:], counts[-length:], history.max_length)
