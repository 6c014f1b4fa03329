"""What git says of the code and of the records."""

import subprocess

import pytest

from mmcellseg.components.provenance import changed_files, git_state, is_published


@pytest.fixture
def checkout(tmp_path):
    """A repository that tracks code, a text and a record, and ignores other runs."""
    for path in ('configs/a.py', 'notes.md', 'work_dirs/series/a/record.json'):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text('1\n')
    (tmp_path / '.gitignore').write_text('/work_dirs/*\n!/work_dirs/series/\n*.pth\n')
    who = ('-c', 'user.name=a', '-c', 'user.email=a@b')
    for words in (('init', '-q'), ('add', '-A'), (*who, 'commit', '-qm', 'begin')):
        subprocess.run(['git', '-C', str(tmp_path), *words], check=True)
    return tmp_path


def test_only_what_makes_the_code_another_counts_as_a_change(checkout):
    assert changed_files(checkout) == []
    (checkout / 'work_dirs/series/a/record.json').write_text('2\n')  # a run writes its own record
    (checkout / 'work_dirs/series/results.csv').write_text('run\n')
    (checkout / 'scratch.txt').write_text('not tracked, and no code')
    assert git_state(checkout)['dirty'] is False
    (checkout / 'configs/new leaf.py').write_text('not in the commit\n')
    assert changed_files(checkout) == ['configs/new leaf.py']
    (checkout / 'notes.md').write_text('2\n')
    assert sorted(changed_files(checkout)) == ['configs/new leaf.py', 'notes.md']
    assert git_state(checkout)['dirty'] is True
    assert len(git_state(checkout)['commit']) == 40


def test_where_git_would_track_a_record(checkout, tmp_path_factory):
    assert is_published(checkout / 'work_dirs/series/a')
    assert is_published(checkout / 'work_dirs/series/not yet there')
    assert not is_published(checkout / 'work_dirs/mine')
    assert not is_published(tmp_path_factory.mktemp('elsewhere') / 'run')


def test_git_state_without_git(tmp_path):
    assert git_state(tmp_path) == {'commit': None, 'dirty': None}
