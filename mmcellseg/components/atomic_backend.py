"""A file backend of mmengine whose files are there whole or not at all."""

import errno
import os
import shutil
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@register_backend('AtomicBackend')
class AtomicBackend(LocalBackend):
    """The local disk, where a reader sees the old file or the whole new one, and removals wait.

    A file is written beside its name, flushed to disk, and renamed. What is removed stays until
    :meth:`remove_outdated` is called, so that what replaces it is there first.
    """

    def __init__(self) -> None:
        self._outdated: list[tuple[Path, int]] = []

    def put(self, obj: bytes, filepath: str | os.PathLike) -> None:
        """Write a file; an error names it, and leaves an earlier one as it is."""
        path = Path(filepath)
        temporary = path.with_name(f'.{path.name}.tmp')
        try:
            super().put(obj, temporary)
            _sync(temporary)
            os.replace(temporary, path)
            _sync(path.parent)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            advice = ''
            if error.errno == errno.ENOSPC:
                free = shutil.disk_usage(path.parent).free >> 20
                advice = f'; free some space ({free} MB are left) and go on with --resume'
            reason = os.strerror(error.errno or errno.EIO)
            message = f'the checkpoint cannot be written ({reason}); earlier ones are whole{advice}'
            raise OSError(error.errno, message, str(path)) from error

    def remove(self, filepath: str | os.PathLike) -> None:
        """Note a file to be removed; a later one of that name stays."""
        self._outdated.append((Path(filepath), os.stat(filepath).st_ino))

    def remove_outdated(self) -> None:
        """Remove what is noted."""
        for path, number in self._outdated:
            if path.is_file() and path.stat().st_ino == number:
                path.unlink()
        self._outdated.clear()
