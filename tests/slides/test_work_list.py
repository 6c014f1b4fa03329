"""Which images there are, and who takes which."""

import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mmcellseg.slides import work_list
from mmcellseg.slides.work_list import Item, WorkListError, check_folder, claim, finished, list_images


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ('in/a.tif', 'in/b/c.PNG', 'in/b/notes.txt', 'other/a.tif', 'in/b/a.tiff'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*inputs: str) -> list[str]:
    return [item.name for item in list_images(inputs)]


def test_folders_keep_their_places_and_globs_give_names(folder):
    assert names('in') == ['a', 'b/a', 'b/c']
    assert names('in/*.tif', 'in/b/c.PNG', 'in/a.tif') == ['a', 'c']
    assert names('**/c.PNG') == ['c']


def test_outputs_of_an_earlier_run_are_no_inputs(folder):
    for name in ('in/out/a.labels.tif', 'in/out/a.overlay.png'):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    assert names('in') == ['a', 'b/a', 'b/c']
    assert names('in/*/a.*') == ['a']
    with pytest.raises(WorkListError, match='no image there'):
        names('in/out/*')
    assert names('in/out/a.labels.tif') == ['a.labels']


def test_names_that_clash_and_inputs_without_an_image_are_refused(folder):
    with pytest.raises(WorkListError, match=r'in/a\.tif and other/a\.tif would both be written as a: give a folder'):
        names('in/a.tif', 'other/a.tif')
    with pytest.raises(WorkListError, match=r'nothing/\*\.tif: no image there'):
        names('in', 'nothing/*.tif')
    (folder / 'empty').mkdir()
    with pytest.raises(WorkListError, match='empty: no image there'):
        names('empty')


ITEM = Item(path='x.tif', name='b/x')


def test_one_of_many_gets_the_claim(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: claim(tmp_path, ITEM), range(8)))
    mine = [c for c in taken if isinstance(c, work_list.Claim)]
    assert len(mine) == 1
    assert all(f'process {os.getpid()} on ' in c for c in taken if isinstance(c, str))
    with mine[0]:
        assert isinstance(claim(tmp_path, ITEM, stale_minutes=1), str)
    assert not list((tmp_path / 'b').iterdir())
    with claim(tmp_path, ITEM):
        (tmp_path / 'b/x.summary.json').touch()
    assert finished(tmp_path, ITEM)
    assert claim(tmp_path, ITEM) is None


def test_a_claim_that_is_being_written_has_an_owner(tmp_path):
    path = tmp_path / 'b/x.claim1'
    path.parent.mkdir()
    path.touch()
    writer = threading.Timer(0.2, path.write_text, ['{"host": "node7", "process": 12, "time": "now"}'])
    writer.start()
    assert claim(tmp_path, ITEM) == 'process 12 on node7 since now'


def abandon(folder, seconds: float):
    """A claim of a killed process that was silent for so long, and what it had begun to write."""
    (folder / 'b').mkdir()
    path = folder / 'b/x.claim1'
    path.write_text(json.dumps({'host': 'node7', 'process': 12, 'time': '2026-01-02T03:04:05'}))
    os.utime(path, (time.time() - seconds,) * 2)
    for name in ('.x.geojson.abc.tmp', '.xy.geojson.abc.tmp', 'x.geojson'):
        (folder / 'b' / name).touch()


def test_a_stale_claim_is_taken_over_when_asked_for(tmp_path):
    abandon(tmp_path, 600)
    assert claim(tmp_path, ITEM) == 'process 12 on node7 since 2026-01-02T03:04:05, silent for 10 min'
    assert isinstance(claim(tmp_path, ITEM, stale_minutes=11), str)
    with claim(tmp_path, ITEM, stale_minutes=9) as taken:
        assert taken.path.name == 'x.claim2'
        # The earlier temporary files are gone; another image's, and whole outputs, are not.
        left = {path.name for path in (tmp_path / 'b').iterdir()}
        assert left == {'x.claim1', 'x.claim2', '.xy.geojson.abc.tmp', 'x.geojson'}
        assert f'process {os.getpid()}' in claim(tmp_path, ITEM, stale_minutes=9)
    assert not list((tmp_path / 'b').glob('*claim*'))


def test_of_many_that_take_over_one_does(tmp_path):
    abandon(tmp_path, 600)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: claim(tmp_path, ITEM, 0.5), range(8)))
    assert sum(isinstance(c, work_list.Claim) for c in taken) == 1


def test_a_claim_that_lives_is_not_stale_whatever_is_asked_for(tmp_path):
    abandon(tmp_path, 40)  # it is touched every 15 s
    assert claim(tmp_path, ITEM, stale_minutes=0).endswith('silent for 1 min')


def test_a_claim_is_touched_as_long_as_it_is_held(tmp_path, monkeypatch):
    monkeypatch.setattr(work_list, '_BEAT', 0.02)
    with claim(tmp_path, ITEM) as taken:
        os.utime(taken.path, (0, 0))
        for _ in range(200):
            if taken.path.stat().st_mtime:
                break
            time.sleep(0.02)
        assert time.time() - taken.path.stat().st_mtime < 60


def test_a_folder_of_another_run_is_refused(tmp_path):
    check_folder(tmp_path, {'tile': 512, 'tta': False})
    check_folder(tmp_path, {'tile': 512, 'tta': False})
    with pytest.raises(WorkListError, match=r'another run \(tile 512 there, 1024 now\): give another --out'):
        check_folder(tmp_path, {'tile': 1024, 'tta': False})
    (tmp_path / 'predict.json').write_text('{"tile"')
    with pytest.raises(WorkListError, match=r'predict\.json is damaged'):
        check_folder(tmp_path, {'tile': 1024, 'tta': False})
