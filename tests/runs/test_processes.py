"""The record says what ended a training."""

import json
import os
import signal
import time

import pytest
from tiny_run import REPO, free_port, start_tool, write_config, write_data

from mmcellseg.reporting import records
from mmcellseg.runs.processes import noted_end


@pytest.fixture
def unfinished(tmp_path):
    records.write_record(tmp_path, {'status': 'unfinished', 'config': {}})
    return tmp_path


def note(folder):
    return records.read_record(folder).get('error')


@pytest.mark.parametrize('error', [ValueError('bad value'), KeyboardInterrupt()])
def test_an_error_is_noted_and_goes_on(unfinished, error):
    with pytest.raises(type(error)), noted_end(unfinished):
        raise error
    assert note(unfinished) in ('ValueError: bad value', 'KeyboardInterrupt')
    with pytest.raises(RuntimeError), noted_end(unfinished):
        raise RuntimeError('later')
    assert 'later' not in note(unfinished)


def test_a_signal_is_noted_and_ends_the_process(unfinished):
    before = signal.getsignal(signal.SIGTERM)
    child = os.fork()
    if not child:
        with noted_end(unfinished):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGTERM
    assert note(unfinished).startswith('ended by SIGTERM: it was stopped')
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_rank_that_never_met_the_first_notes_nothing(unfinished):
    """The record is that of the training that keeps them out of its folder."""
    with pytest.raises(RuntimeError), noted_end(unfinished, first=False):
        raise RuntimeError('timeout')
    assert note(unfinished) is None


def test_a_killed_main_rank_is_noted_by_the_other(tmp_path):
    """And the record of the resumed run keeps the note."""
    write_data(tmp_path / 'data')
    write_config(tmp_path / 'c.py', tmp_path / 'data', 'train_cfg.update(max_epochs=10000, val_interval=10000)')
    env = {'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': free_port(), 'WORLD_SIZE': '2'}
    ranks = [
        start_tool(REPO / 'tools/train.py', 'c.py', '--launcher', 'pytorch', cwd=tmp_path, RANK=r, LOCAL_RANK=r, **env)
        for r in '01'
    ]
    path = tmp_path / 'work_dirs/c/record.json'
    until = time.monotonic() + 100
    while not (path.is_file() and json.loads(path.read_text())['progress']['epoch'] > 0):
        assert time.monotonic() < until, ranks[0].log.read_text()[-3000:]
        time.sleep(0.05)
    ranks[0].kill()
    for rank in ranks:
        rank.join(60)
    assert ranks[1].exitcode == 1, ranks[1].log.read_text()[-3000:]
    text = note(path.parent)
    assert text, ranks[1].log.read_text()[-3000:]
    assert text.startswith('rank 1 of 2: ')
    assert 'another process of the training has ended, as when killed' in text, text
