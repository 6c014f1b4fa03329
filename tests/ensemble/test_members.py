"""Where members' predictions and checkpoints are found, and what cannot be merged."""

import json
import os
from pathlib import Path

import pytest

from mmcellseg.ensemble import members as module
from mmcellseg.ensemble.members import (
    ImageSet,
    Member,
    find_checkpoint,
    find_results,
    open_members,
    read_image_set,
    run_missing,
)
from mmcellseg.structures.results import ResultsError, write_results

IMAGES = ImageSet({1: (40, 60)}, [1, 2], False)


@pytest.fixture
def write(tmp_path, entries):
    def one(name, score=0.5, image_id=1):
        write_results(tmp_path / name, entries([(0, 0, 5, 5, score, 1)], image_id))
        return str(tmp_path / name)

    return one


def test_the_newest_run_of_a_folder(tmp_path, write):
    (tmp_path / 'runs').mkdir()
    with pytest.raises(ResultsError, match=r'runs: neither it nor a run in it has a test-results\.json'):
        find_results(tmp_path / 'runs')
    for run in ('20260102_000000', '20260103_000000'):
        write(f'runs/{run}/test-results.json')
    assert find_results(tmp_path / 'runs').parent.name == '20260103_000000'
    own = write('runs/test-results.json')
    assert find_results(tmp_path / 'runs') == find_results(own)
    with pytest.raises(ResultsError, match=r'none\.json: there is no such'):
        find_results(tmp_path / 'none.json')


def test_members_listed_twice(tmp_path, write):
    a, b = write('a.json'), write('b.json', 0.6)
    assert len(open_members([Member('a', a), Member('b', b)], IMAGES)) == 2
    with pytest.raises(ResultsError, match=r"members listed twice: 'a' \(.*a\.json and .*b\.json\)"):
        open_members([Member('a', a), Member('a', b)], IMAGES)
    os.symlink(a, tmp_path / 'link.json')
    for copy in (str(tmp_path / 'link.json'), write('copy.json')):
        with pytest.raises(ResultsError, match="members 'a' and 'b' have the same predictions"):
            open_members([Member('a', a), Member('b', copy)], IMAGES)
    write_results(tmp_path / 'empty1.json', [])
    write_results(tmp_path / 'empty2.json', [])
    both = [Member(n, str(tmp_path / f'{n}.json')) for n in ('empty1', 'empty2')]
    assert len(open_members(both, IMAGES)) == 2


def test_what_cannot_be_merged(tmp_path, write):
    with pytest.raises(ResultsError, match='at least one member'):
        open_members([], IMAGES)
    with pytest.raises(ResultsError, match=r'x\.json: entry 0 is of image 9.*belongs to another image set'):
        open_members([Member('x', write('x.json', image_id=9))], IMAGES)
    cut = Path(write('cut.json'))
    cut.write_text(cut.read_text()[:-20])
    with pytest.raises(ResultsError, match=r'cut\.json: the list breaks at byte'):
        open_members([Member('cut', str(cut))], IMAGES)


def test_image_set(tmp_path):
    path = tmp_path / 'ann.json'
    categories = [{'id': k, 'name': f'class{k}'} for k in (1, 2)]
    content = {'images': [{'id': 1, 'height': 40, 'width': 60}], 'categories': categories}
    path.write_text(json.dumps(content))
    assert read_image_set(path) == IMAGES
    path.write_text(json.dumps(content | {'annotations': [{'id': 1, 'image_id': 1, 'category_id': 2}]}))
    assert read_image_set(path).annotated
    path.write_text('[]')
    with pytest.raises(ValueError, match=r'ann\.json: expected a COCO annotation file'):
        read_image_set(path)
    path.write_text('{"images": [')
    with pytest.raises(ValueError, match=r'ann\.json: truncated or not valid JSON'):
        read_image_set(path)


def test_checkpoints(tmp_path):
    member = Member('a', str(tmp_path))
    with pytest.raises(FileNotFoundError, match="member 'a': no checkpoint"):
        find_checkpoint(member)
    (tmp_path / 'epoch_3.pth').touch()
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_3.pth'))
    assert find_checkpoint(member).name == 'epoch_3.pth'
    (tmp_path / 'best_cell_segm_AP50_epoch_2.pth').touch()
    assert find_checkpoint(member).name == 'best_cell_segm_AP50_epoch_2.pth'
    with pytest.raises(FileNotFoundError, match='other'):
        find_checkpoint(Member('a', str(tmp_path), checkpoint='other.pth'))


def test_only_members_without_predictions_are_tested(tmp_path, write, monkeypatch):
    write('done/test-results.json')
    folder = tmp_path / 'm05_regnetx-3.2GF_fpn'  # a folder whose name has a dot
    folder.mkdir()
    config = tmp_path / 'c.py'
    config.touch()
    todo = Member('todo', str(folder), config=str(config))
    members = [Member('done', str(tmp_path / 'done')), todo]
    with pytest.raises(FileNotFoundError, match="'todo': no checkpoint"):
        run_missing(members)
    (folder / 'best_x.pth').touch()
    with pytest.raises(FileNotFoundError, match="'todo': no config None"):
        run_missing([Member('todo', str(folder))])
    with pytest.raises(FileNotFoundError, match='must be the folder of its runs'):
        run_missing([Member('todo', str(folder / 'r.json'), config=str(config))])
    commands = []

    def fake(command, check):
        commands.append(command)
        write('m05_regnetx-3.2GF_fpn/20260101_000000/test-results.json')

    monkeypatch.setattr(module.subprocess, 'run', fake)
    assert run_missing(members) == ['todo']
    (command,) = commands
    assert Path(command[1]).is_file()
    assert command[2:] == [
        str(config),
        str(folder / 'best_x.pth'),
        '--format-only',
        '--work-dir',
        str(folder),
    ]
    assert run_missing(members) == []
