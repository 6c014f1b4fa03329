"""One training in a folder at a time: a lock that ends with its process, however that ends."""

import fcntl
import logging
import os
import socket
from datetime import datetime
from pathlib import Path
from typing import TextIO

from mmengine.logging import print_log

LOCK_NAME = '.training'
_held: dict[Path, TextIO] = {}


class FolderInUseError(RuntimeError):
    """A folder that another training writes into."""


def hold(folder: str | os.PathLike) -> None:
    """Keep other trainings out of a folder until :func:`release` or the end of this process.

    The lock is POSIX's, so that NFS has it too. Where the disk has no locks, that is said.

    Raises:
        FolderInUseError: Another process holds it; the message names host, process and since when.
    """
    path = Path(folder).resolve() / LOCK_NAME
    if path in _held:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        file = open(path, 'a+')  # noqa: SIM115 (closing it ends the lock)
        file.seek(0)
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            with file:
                holder = file.read().strip() or 'another process'
            raise FolderInUseError(
                f'{folder}: {holder} trains into this folder; wait for it or stop it, or give --work-dir for another '
                'folder'
            ) from None
        except OSError as error:
            text = f'{path}: cannot be locked ({error.strerror}): take care that no other training writes here'
            print_log(text, 'current', logging.WARNING)
        if path.exists() and os.fstat(file.fileno()).st_ino == path.stat().st_ino:
            break
        file.close()  # the process that held it has just removed it
    since = datetime.now().isoformat(' ', timespec='seconds')
    file.truncate(0)
    file.write(f'process {os.getpid()} on {socket.gethostname()} (since {since})')
    file.flush()
    _held[path] = file


def release(folder: str | os.PathLike) -> None:
    """Let others train in a folder; nothing happens where this process does not hold it."""
    path = Path(folder).resolve() / LOCK_NAME
    if path in _held:
        path.unlink(missing_ok=True)
        _held.pop(path).close()
