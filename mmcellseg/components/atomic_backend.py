"""A file backend of mmengine whose files are there whole or not at all."""

import errno
import os
from pathlib import Path
from typing import ClassVar

from mmengine.fileio import LocalBackend, register_backend


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@register_backend('AtomicBackend')
class AtomicBackend(LocalBackend):
    """The local disk: a file is written beside its name, flushed, and renamed; what is removed goes after that."""

    _outdated: ClassVar[set[Path]] = set()  # mmengine makes a backend for each file

    def put(self, obj: bytes, filepath: str | os.PathLike) -> None:
        """Write a file; an error names it, and leaves all that was there."""
        path = Path(filepath)
        temporary = path.with_name(f'.{path.name}.tmp')
        try:
            super().put(obj, temporary)
            _sync(temporary)
            os.replace(temporary, path)
            _sync(path.parent)
            for old in self._outdated - {path}:
                old.unlink(missing_ok=True)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            advice = '; free some space and go on with --resume' if error.errno == errno.ENOSPC else ''
            reason = os.strerror(error.errno or errno.EIO)
            message = f'the checkpoint cannot be written ({reason}); earlier ones are whole{advice}'
            raise OSError(error.errno, message, str(path)) from error
        finally:
            self._outdated.clear()

    def remove(self, filepath: str | os.PathLike) -> None:
        """Remove a file once the next one is written."""
        self._outdated.add(Path(filepath))
