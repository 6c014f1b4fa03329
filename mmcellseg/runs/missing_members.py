"""Tests the members of an ensemble that have no predictions yet."""

from collections.abc import Sequence
from pathlib import Path

from ..ensemble.members import Member, find_results
from ..structures.results import ResultsError
from ..structures.run_files import checkpoint_of
from .process import run_tool


def find_checkpoint(member: Member) -> Path:
    """The member's checkpoint: the one it names, else the best, else the last of the folder of its runs.

    Raises:
        FileNotFoundError: There is none.
    """
    if member.checkpoint is None:
        try:
            return checkpoint_of(member.results)
        except FileNotFoundError as error:
            raise FileNotFoundError(f'member {member.name!r}: {error}; train it, or name it in the config') from None
    if not Path(member.checkpoint).is_file():
        raise FileNotFoundError(f'member {member.name!r}: there is no checkpoint {member.checkpoint}')
    return Path(member.checkpoint)


def run_missing(members: Sequence[Member]) -> list[str]:
    """Test the members that have no predictions yet, one after the other, and return their names.

    Raises:
        FileNotFoundError: One of them has no config or no checkpoint; said before any is tested.
        ResultsError: A test ran and left no predictions.
        RuntimeError: A test failed.
    """
    waiting = []
    for member in members:
        try:
            find_results(member.results)
        except ResultsError:
            if member.config is None or not Path(member.config).is_file():
                raise FileNotFoundError(f'member {member.name!r}: no config {member.config}') from None
            if member.results.endswith('.json'):
                raise FileNotFoundError(
                    f'member {member.name!r}: results must be the folder of its runs to test it, found {member.results}'
                ) from None
            waiting.append((member, find_checkpoint(member)))
    for member, checkpoint in waiting:
        run_tool('test.py', str(member.config), str(checkpoint), '--format-only', '--work-dir', member.results)
        find_results(member.results)
    return [member.name for member, _ in waiting]
