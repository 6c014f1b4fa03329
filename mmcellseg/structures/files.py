"""Files that are there whole or not at all."""

import errno
import glob
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows, where the temporary files of killed writes stay
    fcntl = None  # type: ignore[assignment]


def _remove_leftovers(path: Path) -> None:
    """Remove the temporary files of killed writes of ``path``; those of writes that run are locked."""
    for leftover in glob.glob(f'{glob.escape(str(path.parent))}/.{glob.escape(path.name)}.????????.tmp'):
        with suppress(OSError), open(leftover, 'r+b') as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(leftover)


def _temporary(path: Path) -> tuple[BinaryIO, str]:
    """A new file beside ``path``, locked until it is closed, and its name."""
    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.', suffix='.tmp')
        file = os.fdopen(handle, 'wb')
        if fcntl is not None:
            with suppress(OSError):  # a disk without locks, where leftovers stay
                fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return file, name
        file.close()  # another writer took it for a leftover before it was locked


@contextmanager
def atomic_open(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """Open a temporary file beside ``path`` for writing bytes, and rename it to ``path`` at the end.

    It is flushed to disk first. After an error the temporary file is gone, and an earlier ``path`` stays; what a
    killed write left is removed by the next one of that name. A full disk's error names ``path``.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if fcntl is not None:
        _remove_leftovers(path)
    file, name = _temporary(path)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(name, 0o666 & ~umask)  # mkstemp makes files that only their owner may read
            os.replace(name, path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise


def atomic_write(path: str | os.PathLike, content: str | bytes) -> Path:
    """Write ``content`` to ``path`` by way of a temporary file beside it, and return the path."""
    with atomic_open(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)
    return Path(path)
