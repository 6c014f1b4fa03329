"""Lists of images: outputs whole or absent, every image once, by one process or several, also when one is killed."""

import errno
import json
import os
import time
from pathlib import Path

import cv2
import listed_images
import numpy as np
import pytest
import tifffile
from listed_images import LineWriter, run
from local_detector import blobs, components
from tiny_run import start_tool

from mmcellseg.export.overlay import OverlayWriter
from mmcellseg.slides.work_list import WorkListError


@pytest.fixture
def images(tmp_path, rng) -> Path:
    folder = tmp_path / 'images'
    for k in range(6):
        (folder / f'set{k % 2}').mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(folder / f'set{k % 2}/{k}.tif', blobs(rng, 150, 130, number=60, largest=12), photometric='rgb')
    return folder


def written(out: Path) -> dict[str, bytes]:
    """All files of an output folder."""
    return {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob('*')) if p.is_file()}


def test_every_image_has_its_outputs_and_a_summary_and_is_done_once(images, tmp_path):
    outcome = run(images, tmp_path / 'out')
    assert outcome.lines() == ['6 predicted']
    first = written(tmp_path / 'out')
    names = [f'set{k % 2}/{k}' for k in range(6)]
    assert set(first) == {f'{n}{s}' for n in names for s in ('.txt', '.summary.json')} | {'predict.json'}
    summary = json.loads(first['set1/3.summary.json'])
    image = tifffile.imread(images / 'set1/3.tif')
    truth = components(image)
    assert summary == {
        'image': str(images / 'set1/3.tif'),
        'height': 150,
        'width': 130,
        'mpp': None,
        'resampled': 1.0,
        'tiles': 9,
        'cells': len(truth),
        'classes': {'dim': int((truth.labels == 1).sum()), 'bright': int((truth.labels == 2).sum())},
        'median_area_px2': float(np.median(truth.masks.areas)),
        'outputs': ['3.txt'],
    }
    assert first['set1/3.txt'].count(b'\n') == len(truth)
    again = run(images, tmp_path / 'out')
    assert again.lines() == ['6 finished before']
    (tmp_path / 'out/set0/2.summary.json').unlink()
    assert [item.name for item in run(images, tmp_path / 'out').predicted] == ['set0/2']
    assert written(tmp_path / 'out') == first


def test_a_file_that_cannot_be_read_is_named_at_the_end(images, tmp_path):
    path = images / 'set0/2.tif'
    path.write_bytes(path.read_bytes()[:3000])
    (images / 'set1/bad.png').write_bytes(b'no image')
    outcome = run(images, tmp_path / 'out')
    count, *failed = outcome.lines()
    assert count == '5 predicted, 2 failed'
    named = [line.split(' ')[:2] for line in failed]
    assert named == [['failed:', str(path)], ['failed:', str(images / 'set1/bad.png')]]
    assert 'truncated' in failed[0]
    assert not [name for name in written(tmp_path / 'out') if 'set0/2' in name or 'bad' in name]


def test_a_full_disk_ends_the_run_and_leaves_what_is_whole(images, tmp_path, monkeypatch):
    class Full(LineWriter):
        left = 2

        def write(self, cells):
            super().write(cells)
            Full.left -= 1
            if Full.left < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Full, 'left', 4)  # an image has three rows of tiles
    with pytest.raises(WorkListError, match='the disk is full; what was finished stays: make room and run again'):
        run(images, tmp_path / 'out', formats={'txt': Full})
    assert set(written(tmp_path / 'out')) == {'predict.json', 'set0/0.txt', 'set0/0.summary.json'}
    assert run(images, tmp_path / 'out').lines() == ['5 predicted, 1 finished before']


def test_an_image_that_the_model_cannot_take_does_not_stop_the_others(images, tmp_path, monkeypatch, capsys):
    cv2.imwrite(str(images / 'set0/2.tif'), np.zeros((10, 10, 3), np.uint8))

    def find(image):
        if image.shape[0] == 10:
            raise IndexError('tuple index out of range')
        return components(image)

    monkeypatch.setattr(listed_images, 'components', find)
    assert run(images, tmp_path / 'out').lines() == [
        '5 predicted, 1 failed',
        f'failed: {images}/set0/2.tif: tuple index out of range',
    ]
    assert 'in find' in capsys.readouterr().out  # an error that none foresaw: its traceback


def test_a_disk_that_has_no_room_for_a_claim(images, tmp_path, monkeypatch):
    """The claim that could not be written does not keep the image for good."""

    def full(content, **kwargs):
        if 'host' in content:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return dumps(content, **kwargs)

    dumps = json.dumps
    with monkeypatch.context() as patch:
        patch.setattr(json, 'dumps', full)
        with pytest.raises(WorkListError, match='the disk is full'):
            run(images, tmp_path / 'out')
    assert run(images, tmp_path / 'out').lines() == ['6 predicted']


def test_a_folder_of_other_settings_is_refused(images, tmp_path):
    run(images, tmp_path / 'out', weights='a')
    with pytest.raises(WorkListError, match=r"another run \(weights 'a' there, 'b' now\)"):
        run(images, tmp_path / 'out', weights='b')
    with pytest.raises(WorkListError, match=r"to \['txt'\] there, \['overlay', 'txt'\] now"):
        run(images, tmp_path / 'out', weights='a', formats={'txt': LineWriter, 'overlay': OverlayWriter})


def test_the_overlay_shows_each_class_in_its_colour_and_not_for_large_images(tmp_path):
    image = np.zeros((40, 4100, 3), np.uint8)
    image[10:20, 10:20], image[10:20, 50:60] = 150, 220
    (tmp_path / 'in').mkdir()
    cv2.imwrite(str(tmp_path / 'in/small.png'), image[:, :100])
    cv2.imwrite(str(tmp_path / 'in/large.png'), image)
    run(tmp_path / 'in', tmp_path / 'out', formats={'overlay': OverlayWriter})
    assert sorted(path.name for path in (tmp_path / 'out').glob('*.png')) == ['small.overlay.png']
    drawn = cv2.imread(str(tmp_path / 'out/small.overlay.png'))[..., ::-1]
    assert drawn.shape[1] == 600  # six times as large, to be seen
    assert drawn.shape[0] > 240  # with the classes named below
    assert drawn[60, 90].tolist() == [220, 20, 60]
    assert drawn[60, 330].tolist() == [0, 0, 255]
    assert drawn[90, 90].tolist() == [150] * 3
    assert (drawn[240:] == [220, 20, 60]).all(-1).any()


def start(images: Path, out: Path, seconds: float, name: str):
    place = out.parent / name
    place.mkdir()
    return start_tool(Path(listed_images.__file__), images, out, seconds, cwd=place)


def said_by(process) -> list[str]:
    process.join(120)
    assert process.exitcode == 0
    return process.log.read_text().splitlines()[-3:]


def wait_for(pattern: str, out: Path) -> None:
    for _ in range(1200):
        if list(out.glob(pattern)):
            return
        time.sleep(0.05)
    raise AssertionError(f'no {pattern} in {out} after a minute')


def test_two_processes_one_of_them_killed_and_the_bytes_are_the_same(images, tmp_path):
    run(images, tmp_path / 'alone')
    expected, out = written(tmp_path / 'alone'), tmp_path / 'out'
    killed = start(images, out, 3, 'a')
    wait_for('set0/.0.txt*.tmp', out)  # in the middle of its first image
    claimed, advice, predicted = said_by(start(images, out, 0, 'b'))
    assert f'set0/0.tif is claimed by process {killed.pid} on ' in claimed
    assert '--take-stale MINUTES' in advice
    assert predicted == 'predicted: set0/2 set0/4 set1/1 set1/3 set1/5'
    killed.kill()
    killed.join()
    assert not (out / 'set0/0.txt').exists()
    # Unless it is asked for, the claim stays.
    assert run(images, out).lines()[0] == '5 finished before, 1 claimed by other processes'
    assert run(images, out, stale=0).claimed  # a process that lives has touched its claim in the last seconds
    os.utime(out / 'set0/0.claim1', (time.time() - 60,) * 2)
    assert run(images, out, stale=0).lines() == ['1 predicted, 5 finished before']
    assert written(out) == expected


def test_processes_that_run_at_once_share_the_list(images, tmp_path):
    run(images, tmp_path / 'alone')
    out = tmp_path / 'out'
    processes = [start(images, out, 0.05, name) for name in 'abc']
    predicted = [said_by(process)[-1].split()[1:] for process in processes]
    assert sorted(name for names in predicted for name in names) == sorted(f'set{k % 2}/{k}' for k in range(6))
    assert written(out) == written(tmp_path / 'alone')
