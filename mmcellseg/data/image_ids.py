"""The file that gives the test images their ids and sizes."""

import json
import os
from pathlib import Path
from typing import Any

KEYS = ('file_name', 'id', 'height', 'width')


def _content(path: str | os.PathLike) -> Any:
    try:
        return json.loads(Path(path).read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f'{path}: expected a JSON list of image ids, but it is no JSON ({error})') from error


def read_image_ids(path: str | os.PathLike) -> list[dict[str, Any]]:
    """Read ``[{"file_name", "id", "height", "width"}, …]``, in the file's order.

    A COCO json is accepted too: its ``images`` are the list. Raises ``ValueError`` that names the file if it
    is no such list, an entry lacks a key, a size or an id is no whole number, or an id or name comes twice.
    """
    content = _content(path)
    images = content.get('images') if isinstance(content, dict) else content
    if not isinstance(images, list):
        raise ValueError(f'{path}: expected a list of {{{", ".join(KEYS)}}}, found {type(content).__name__}')
    entries: list[dict[str, Any]] = []
    for index, image in enumerate(images):
        missing = [k for k in KEYS if not isinstance(image, dict) or k not in image]
        if missing:
            raise ValueError(f'{path}: entry {index} lacks {", ".join(missing)}: {image}')
        entry = {key: image[key] for key in KEYS}
        if not all(type(entry[k]) is int for k in KEYS[1:]) or min(entry['height'], entry['width']) < 1:
            raise ValueError(f'{path}: entry {index}: id, height and width must be whole numbers: {entry}')
        entries.append(entry)
    for key in ('id', 'file_name'):
        values = [entry[key] for entry in entries]
        twice = sorted({v for v in values if values.count(v) > 1})
        if twice:
            raise ValueError(f'{path}: the {key} {twice[0]!r} comes {values.count(twice[0])} times, expected once')
    return entries


def read_category_ids(path: str | os.PathLike) -> list[int]:
    """The ids of the categories of a COCO json; none for another list of images; ``ValueError`` if it is no JSON."""
    content = _content(path)
    return [category['id'] for category in content.get('categories', [])] if isinstance(content, dict) else []
