"""Where members' predictions are found, and what cannot be merged."""

import json
import os
from pathlib import Path

import pytest

from mmcellseg.ensemble.members import ImageSet, Member, find_results, open_members
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
    # By their records: the clock of the first was a year ahead.
    for run, started in (('20270103_000000', '2026-01-03T00:00:00'), ('20260104_000000', '2026-01-04T00:00:00')):
        write(f'runs/{run}/test-results.json')
        (tmp_path / 'runs' / run / 'record.json').write_text(json.dumps({'time': {'started': started}}))
    assert find_results(tmp_path / 'runs').parent.name == '20260104_000000'
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
    with pytest.raises(ResultsError, match=r'cut\.json: truncated or not valid JSON'):
        open_members([Member('cut', str(cut))], IMAGES)
