"""Running a tool in this process."""

import runpy
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


@pytest.fixture
def run(monkeypatch, capsys):
    """A function: runs a tool of ``tools/`` with arguments, and gives what it printed (``out`` and ``err``).

    ``code`` is the exit status that is expected; a message that it exits with is printed to ``err``, as Python does.
    """

    def call(tool, *arguments, code=0):
        monkeypatch.setattr(sys, 'argv', [tool, *map(str, arguments)])
        status = None
        try:
            runpy.run_path(str(TOOLS / tool), run_name='__main__')
        except SystemExit as error:
            status = error.code
        printed = capsys.readouterr()
        if isinstance(status, str):
            printed, status = type(printed)(printed.out, printed.err + status), 1
        assert (status or 0) == code, printed.err
        return printed

    return call
