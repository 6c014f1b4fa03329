"""Which images are to be predicted, and which process does which, without a server.

A process takes an image by creating its claim file, which only one of them can. The owner touches the claim as long
as it lives, so that one left behind by a killed process grows old.
"""

import glob
import json
import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ..export.label_tiff import LabelTiffWriter
from ..export.overlay import OverlayWriter
from .regions import SUFFIXES

SUMMARY_SUFFIX = '.summary.json'
SETTINGS_NAME = 'predict.json'
_OUTPUTS = (LabelTiffWriter.suffix, OverlayWriter.suffix)  # images, too: --out may lie in the folder of the images
_BEAT = 15.0  # s between two touches of a claim


class WorkListError(ValueError):
    """Inputs or an output folder that cannot be worked on; the message says what to do."""


@dataclass(frozen=True)
class Item:
    """An image, and the name of its outputs in the output folder, without a suffix."""

    path: Path
    name: str


def list_images(inputs: Iterable[str | os.PathLike]) -> list[Item]:
    """The images that files, folders and globs name, each once, in their order; folders are sorted.

    What is found below a folder keeps its place there in its outputs' name; any other file gives its own name. Label
    TIFFs and overlays of an earlier run are left out, unless they are named themselves.

    Raises:
        WorkListError: An input names no image, or two would have outputs of one name.
    """
    items: dict[str, Item] = {}
    for text in map(str, inputs):
        path = Path(text)
        if path.is_dir():
            found = sorted(p for p in path.rglob('*') if p.suffix.lower() in SUFFIXES)
        else:
            found = [path] if path.is_file() else sorted(map(Path, glob.glob(text, recursive=True)))
        images = [p for p in found if p.is_file() and (p == path or not p.name.endswith(_OUTPUTS))]
        pairs = [(p, p.relative_to(path) if path.is_dir() else Path(p.name)) for p in images]
        if not pairs:
            raise WorkListError(f'{text}: no image there: expected a file, a folder or a glob of {", ".join(SUFFIXES)}')
        for found_path, place in pairs:
            item = Item(found_path, place.with_suffix('').as_posix())
            first = items.setdefault(item.name, item)
            if first.path.resolve() != item.path.resolve():
                raise WorkListError(
                    f'{first.path} and {item.path} would both be written as {item.name}: give a folder above both '
                    'as the input, or rename one'
                )
    return list(items.values())


def _create(path: Path, content: dict[str, Any]) -> bool:
    """Create a JSON file; False if there is one already. Of several processes one succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open('x') as file:
            file.write(json.dumps(content, indent=1) + '\n')
    except FileExistsError:
        return False
    except OSError:  # a full disk
        path.unlink(missing_ok=True)
        raise
    return True


def _read(path: Path) -> str:
    """The text of a file of `_create`, which another process may be writing."""
    for _ in range(50):
        if text := path.read_text():
            break
        time.sleep(0.1)
    return text


def check_folder(folder: Path, settings: dict[str, Any]) -> None:
    """Note the run's settings in an output folder, or hold them against those that are there.

    Raises:
        WorkListError: The folder is that of another run.
    """
    path = folder / SETTINGS_NAME
    if _create(path, settings):
        return
    try:
        there = json.loads(_read(path))
    except ValueError as error:
        raise WorkListError(f'{path} is damaged ({error}): delete it, or give another --out') from error
    differing = [key for key in {**there, **settings} if there.get(key) != settings.get(key)]
    if differing:
        said = '; '.join(f'{key} {there.get(key)!r} there, {settings.get(key)!r} now' for key in differing)
        raise WorkListError(f'{folder} holds the output of another run ({said}): give another --out, or delete it')


class Claim:
    """An image that this process has taken; a context that gives it back at its end."""

    def __init__(self, path: Path, earlier: Sequence[Path]) -> None:
        self.path, self.earlier = path, earlier
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        while not self._ended.wait(_BEAT):
            with suppress(OSError):  # a shared folder may be away for a moment
                os.utime(self.path)

    def __enter__(self) -> 'Claim':
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()
        for path in (*self.earlier, self.path):  # the newest last: it guards the others
            path.unlink(missing_ok=True)


def finished(folder: Path, item: Item) -> bool:
    """Whether an image's summary, which is written last, is there."""
    return (folder / f'{item.name}{SUMMARY_SUFFIX}').is_file()


def claim(folder: Path, item: Item, stale_minutes: float | None = None) -> Claim | str | None:
    """Take an image: a claim, None if it is finished, or whose it is, in words.

    Args:
        folder: The output folder.
        item: The image.
        stale_minutes: Take over a claim that its owner has not touched for so long, and for three of its beats.
            Default: never.
    """
    if finished(folder, item):
        return None
    base = folder / f'{item.name}.claim'
    claims = sorted(base.parent.glob(f'{glob.escape(base.name)}*'), key=_generation)
    if claims:
        age = _age(claims[-1])
        if stale_minutes is None or age is None or age < max(60 * stale_minutes, 3 * _BEAT):
            return _owner(claims[-1], age)
    # After a stale claim one of the next generation, which only one of those can create that saw the same stale one.
    path = base.with_name(f'{base.name}{1 + (_generation(claims[-1]) if claims else 0)}')
    now = datetime.now().isoformat(timespec='seconds')
    if not _create(path, {'host': socket.gethostname(), 'process': os.getpid(), 'time': now}):
        return _owner(path, 0.0)
    taken = Claim(path, claims)
    if finished(folder, item):  # by another process, since we looked
        taken.__exit__()
        return None
    if claims:  # what the killed process has begun to write
        for left in base.parent.glob(f'.{glob.escape(base.stem)}.*.tmp'):
            left.unlink(missing_ok=True)
    return taken


def _generation(path: Path) -> int:
    digits = path.name.rpartition('.claim')[2]
    return int(digits) if digits.isdigit() else 0


def _age(path: Path) -> float | None:
    """Seconds since a claim was touched, by the clock of the machine that has the folder; None if it is gone."""
    try:
        with tempfile.TemporaryFile(dir=path.parent) as probe:
            return os.fstat(probe.fileno()).st_mtime - path.stat().st_mtime
    except FileNotFoundError:
        return None


def _owner(path: Path, age: float | None) -> str:
    try:
        said = json.loads(_read(path))
        owner = f'process {said["process"]} on {said["host"]} since {said["time"]}'
    except (OSError, ValueError, KeyError):
        owner = 'another process'
    return owner if not age or age < 2 * _BEAT else f'{owner}, silent for {age / 60:.0f} min'
