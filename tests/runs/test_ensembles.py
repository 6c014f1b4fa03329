"""Members without predictions are tested."""

import pytest

from mmcellseg.ensemble.members import Member
from mmcellseg.runs import ensembles
from mmcellseg.runs.ensembles import find_checkpoint, run_missing
from mmcellseg.structures.results import write_results


def test_checkpoints(tmp_path):
    member = Member('a', str(tmp_path))
    with pytest.raises(FileNotFoundError, match="member 'a': .*no checkpoint.*; train it, or name it"):
        find_checkpoint(member)
    (tmp_path / 'epoch_3.pth').touch()
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_3.pth'))
    assert find_checkpoint(member).name == 'epoch_3.pth'
    (tmp_path / 'best_cell_segm_AP50_epoch_2.pth').touch()
    assert find_checkpoint(member).name == 'best_cell_segm_AP50_epoch_2.pth'
    with pytest.raises(FileNotFoundError, match='other'):
        find_checkpoint(Member('a', str(tmp_path), checkpoint='other.pth'))


def test_only_members_without_predictions_are_tested(tmp_path, monkeypatch):
    (tmp_path / 'done').mkdir()
    write_results(tmp_path / 'done' / 'test-results.json', [])
    folder = tmp_path / 'm05_regnetx-3.2GF_fpn'  # a folder whose name has a dot
    folder.mkdir()
    config = tmp_path / 'c.py'
    config.touch()
    todo = Member('todo', str(folder), config=str(config))
    members = [Member('done', str(tmp_path / 'done')), todo]
    with pytest.raises(FileNotFoundError, match="'todo': .*no checkpoint"):
        run_missing(members)
    (folder / 'best_x.pth').touch()
    with pytest.raises(FileNotFoundError, match="'todo': no config None"):
        run_missing([Member('todo', str(folder))])
    with pytest.raises(FileNotFoundError, match='must be the folder of its runs'):
        run_missing([Member('todo', str(folder / 'r.json'), config=str(config))])
    calls = []

    def run(*words):
        calls.append(words)
        write_results(folder / '20260101_000000' / 'test-results.json', [])

    monkeypatch.setattr(ensembles, 'run_tool', run)
    assert run_missing(members) == ['todo']
    best = str(folder / 'best_x.pth')
    assert calls == [('test.py', str(config), best, '--format-only', '--work-dir', str(folder))]
    assert run_missing(members) == []
