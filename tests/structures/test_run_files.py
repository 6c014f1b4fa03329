"""The files of a run's folder."""

import json
import os

import pytest

from mmcellseg.structures.run_files import began, checkpoint_of, has_checkpoint, newest


def test_the_best_checkpoint_before_the_last(tmp_path):
    with pytest.raises(FileNotFoundError, match='no checkpoint: neither best_'):
        checkpoint_of(tmp_path)
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_2.pth'))
    assert not has_checkpoint(tmp_path)
    (tmp_path / 'epoch_2.pth').touch()
    assert checkpoint_of(tmp_path).name == 'epoch_2.pth'
    (tmp_path / 'best_AP50_epoch_1.pth').touch()
    assert checkpoint_of(tmp_path).name == 'best_AP50_epoch_1.pth'


def test_the_last_checkpoint_of_a_renamed_folder(tmp_path):
    run = tmp_path / 'long_name'
    run.mkdir()
    (run / 'epoch_2.pth').touch()
    (run / 'last_checkpoint').write_text(str(run / 'epoch_2.pth'))
    assert checkpoint_of(run.rename(tmp_path / 'short')) == tmp_path / 'short' / 'epoch_2.pth'


def test_the_newest_run_is_that_of_the_latest_record(tmp_path):
    """A clock that was wrong, or a folder renamed by hand, gave a later name to an earlier run."""
    assert newest(tmp_path, 'r.json') is None
    for name, started in (('20990101', '2026-05-01T10:00:00'), ('20200101', '2026-05-02T22:00:00+02:00')):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'r.json').touch()
        (tmp_path / name / 'record.json').write_text(json.dumps({'time': {'started': started}}))
    assert newest(tmp_path, 'r.json').parent.name == '20200101'
    # A run without a record, as stock hooks leave it, counts by the time of its folder.
    (tmp_path / 'stock').mkdir()
    (tmp_path / 'stock' / 'r.json').touch()
    assert newest(tmp_path, 'r.json').parent.name == 'stock'
    os.utime(tmp_path / 'stock', (0, 0))
    assert newest(tmp_path, 'r.json').parent.name == '20200101'
    assert began(tmp_path / '20990101').hour == 10
