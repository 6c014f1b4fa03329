"""Files that are whole or not there, and no litter beside them."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from mmcellseg.structures.files import atomic_open, atomic_write

WRITER = """
import sys, time
from mmcellseg.structures.files import atomic_open
with atomic_open(sys.argv[1]) as file:
    file.write(b'half')
    print('writing', flush=True)
    time.sleep(60)
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def writer(tmp_path):
    """A process in the middle of writing ``a.json``."""
    command = [sys.executable, '-c', WRITER, str(tmp_path / 'a.json')]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == 'writing\n'
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_next_writer_removes_what_a_killed_one_left(tmp_path, writer):
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert len(names(tmp_path)) == 1
    atomic_write(tmp_path / 'b.json', 'of another name')
    assert len(names(tmp_path)) == 2
    atomic_write(tmp_path / 'a.json', 'whole')
    assert names(tmp_path) == ['a.json', 'b.json']


def test_a_writer_at_work_is_left_alone(tmp_path, writer):
    atomic_write(tmp_path / 'a.json', 'whole')
    assert len(names(tmp_path)) == 2
    assert (tmp_path / 'a.json').read_text() == 'whole'


def test_names_are_no_patterns(tmp_path):
    (tmp_path / '.ab.12345678.tmp').touch()
    atomic_write(tmp_path / '[a]?', 'x')
    atomic_write(tmp_path / '?b', 'x')
    assert '.ab.12345678.tmp' in names(tmp_path)


def test_a_full_disk_names_the_file_and_keeps_the_earlier_one(tmp_path, monkeypatch):
    atomic_write(tmp_path / 'a.json', 'earlier')

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/a\.json'"):
        atomic_write(tmp_path / 'a.json', 'later')
    assert names(tmp_path) == ['a.json']
    assert (tmp_path / 'a.json').read_text() == 'earlier'


def test_an_error_of_the_writer_stays_its_own(tmp_path):
    with pytest.raises(FileNotFoundError, match='other'), atomic_open(tmp_path / 'a.json'):
        (tmp_path / 'other').read_text()
    assert names(tmp_path) == []
