"""Processes of their own: each training and each test begins with a clean memory and leaves none behind."""

import subprocess
import sys

from .config_options import PROJECT


def run_tool(tool: str, *arguments: str) -> None:
    """Run one of the project's tools in a fresh process.

    Raises:
        RuntimeError: If it ended with an error.
    """
    command = [sys.executable, str(PROJECT / 'tools' / tool), *arguments]
    print(' '.join(command), flush=True)
    code = subprocess.run(command, check=False).returncode
    if code:
        raise RuntimeError(f'{tool} ended with exit code {code}; run the same command again to resume')
