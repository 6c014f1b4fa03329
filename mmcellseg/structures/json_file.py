"""What a json file holds, and whether its values are what they should be."""

import json
import math
import os
import reprlib
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

LISTED = (list, tuple, np.ndarray)


def short(value: Any) -> str:
    """A value as it is shown in a message."""
    return reprlib.repr(value)


def whole(value: Any) -> TypeGuard[int]:
    """Whether this is an integer of 64 bits."""
    return (type(value) is int or isinstance(value, np.integer)) and -(2**63) <= int(value) < 2**63


def numbers(values: Any, count: int) -> bool:
    """Whether these are ``count`` finite numbers."""
    if not isinstance(values, LISTED) or len(values) != count:
        return False
    try:
        return all(map(math.isfinite, values)) and bool not in map(type, values)
    except (OverflowError, TypeError):  # an integer beyond all floats; no number
        return False


def check_encoding(head: bytes, name: str | os.PathLike, error: type[Exception]) -> None:
    """Refuse the beginning of a text that pycocotools does not read: all but UTF-8 without a byte order mark."""
    if (coding := json.detect_encoding(head)) != 'utf-8':
        found = 'UTF-8 with a byte order mark' if coding == 'utf-8-sig' else coding.upper()
        raise error(f'{name}: the text is {found}, expected UTF-8 without a byte order mark: save it as that')


def parse_json(content: bytes, name: str | os.PathLike, error: type[Exception]) -> Any:
    """The value that a json text holds; ``error`` names it where it is truncated, no JSON or not in plain UTF-8."""
    check_encoding(content[:4], name, error)
    try:
        return json.loads(content)
    except ValueError as problem:  # also bytes that are not UTF-8
        raise error(f'{name}: truncated or not valid JSON ({problem}): write the file again') from problem
    except RecursionError:
        raise error(f'{name}: its lists or objects are nested too deeply to be read') from None


def read_file(path: str | os.PathLike, what: str, error: type[Exception]) -> bytes:
    """The content of a file; ``error`` says ``what`` it should be where there is none."""
    if not Path(path).is_file():
        raise error(f'{path}: there is no such {what}')
    return Path(path).read_bytes()


def read_json(path: str | os.PathLike, what: str, error: type[Exception]) -> Any:
    """``parse_json`` of ``read_file``."""
    return parse_json(read_file(path, what, error), path, error)
