"""One training in a folder at a time."""

import errno
import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from mmcellseg.components import folder_lock
from mmcellseg.components.folder_lock import LOCK_NAME, FolderInUseError, hold, release

HOLDER = """
import sys, time
from mmcellseg.components import folder_lock
from mmcellseg.components.folder_lock import hold
hold(sys.argv[1])
print('held', flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the folder."""
    process = subprocess.Popen([sys.executable, '-c', HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    while process.stdout.readline() != 'held\n':
        assert process.poll() is None
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_one_is_told_who_is_there_and_a_killed_one_does_not_count(tmp_path, holder):
    who = rf'{tmp_path}: process {holder.pid} on {re.escape(socket.gethostname())} \(since 20[\d-]{{8}} [\d:]{{8}}\)'
    for _ in range(2):
        with pytest.raises(FolderInUseError, match=f'{who} trains into this folder; .* give --work-dir'):
            hold(tmp_path)
    release(tmp_path)  # of what is not held: nothing
    assert (tmp_path / LOCK_NAME).exists()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    hold(tmp_path)
    hold(tmp_path)
    assert f'process {os.getpid()} ' in (tmp_path / LOCK_NAME).read_text()
    release(tmp_path)
    assert not (tmp_path / LOCK_NAME).exists()


def test_a_disk_without_locks_is_mentioned(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(folder_lock, 'print_log', lambda message, *_: said.append(message))

    def lockf(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(folder_lock.fcntl, 'lockf', lockf)
    hold(tmp_path)
    release(tmp_path)
    assert len(said) == 1
    assert f'{LOCK_NAME}: cannot be locked (No locks available): take care that no other training' in said[0]
