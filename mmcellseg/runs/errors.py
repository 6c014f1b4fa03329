"""Errors that a user can mend are one line; all others keep their traceback."""

import inspect
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .config_options import did_you_mean

PACKAGE = Path(__file__).resolve().parents[1]


@contextmanager
def errors_in_a_line(tool: str, verbose: bool = False) -> Iterator[None]:
    """End the program with a line for an error that :func:`explain` knows; ``verbose`` shows its traceback."""
    try:
        yield
    except Exception as error:
        text = explain(error)
        if verbose or text is None:
            raise
        sys.exit(f'{tool}: {text}')


def explain(error: BaseException) -> str | None:
    """An error in a line: of a file, of what a config builds, or one that the package raised on purpose; else None."""
    if isinstance(error, OSError) and error.filename is not None:
        return f'{error.filename}: {error.strerror or error}'
    if isinstance(error, ModuleNotFoundError):  # as torchvision, by weights that mmengine has only with it
        return f'{error}; install it (pip install {error.name}), or leave out what needs it'
    notes = getattr(error, '__notes__', [])  # the likely cause of a worker's death
    if notes or isinstance(error, OSError) or type(error).__module__.startswith('mmcellseg') or _on_purpose(error):
        return ' '.join([_text(error), *notes])
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    building = [frame for frame in frames if frame.f_code.co_name == 'build_from_cfg']
    return _build_error(error, building[-1].f_locals) if building else None


def _text(error: BaseException) -> str:
    """The message without the traceback that a data worker puts around it."""
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if 'Original Traceback' in text:
        text = text.strip().splitlines()[-1].partition(': ')[2]
    return text.strip()


def _on_purpose(error: BaseException) -> bool:
    """Whether a ``raise`` in the package made it."""
    last = traceback.extract_tb(error.__traceback__)[-1:]
    return any(Path(f.filename).is_relative_to(PACKAGE) and (f.line or '').startswith('raise ') for f in last)


def _build_error(error: BaseException, values: dict[str, Any]) -> str:
    """What is wrong with the part of a config that mmengine was building, by the variables of its builder."""
    kind, made = values['registry'].name, values.get('obj_cls')
    name = values.get('obj_type', 'a part without a type')
    name = name if isinstance(name, str) else name.__name__
    text = next(iter(_text(error).splitlines()), '')
    if made is None and isinstance(error, KeyError):
        registry, names = values['registry'], set()
        while registry is not None:
            names |= set(registry.module_dict)
            registry = registry.parent
        return f'there is no {kind} {name}{did_you_mean(name, names)}'
    if made is None:
        return f'{kind} {name}: {text}'
    if found := re.search(r"unexpected keyword argument '(\w+)'", text):
        return f'{kind} {name} does not know {found[1]!r}{did_you_mean(found[1], _arguments(made))}'
    if found := re.search(r'missing \d+ required positional arguments?: (.*)', text):
        return f'{kind} {name} needs {found[1]}'
    return f'{kind} {name}: {type(error).__name__}: {text} (--verbose shows where)'


def _arguments(made: Any) -> set[str]:
    """What a class or function takes, with what its bases take."""
    kinds = made.__mro__ if isinstance(made, type) else ()
    functions = [vars(kind)['__init__'] for kind in kinds if '__init__' in vars(kind)] or [made]
    return {name for function in functions for name in inspect.signature(function).parameters} - {'self', 'kwargs'}
