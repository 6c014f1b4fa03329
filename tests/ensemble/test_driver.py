"""Merging files: the same bytes for any number of processes, and nothing written where an entry is wrong."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

from mmcellseg.ensemble import NMSFusion, WeightedMaskFusion
from mmcellseg.ensemble.detections import Detections
from mmcellseg.ensemble.driver import merge_files
from mmcellseg.ensemble.members import ImageSet, Member, check_members, open_members
from mmcellseg.structures.results import ResultsError, read_results, write_results

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'ensemble.py'
IMAGES = ImageSet(dict.fromkeys((3, 1, 2, 4), (40, 60)), [1, 2, 3], False)


@pytest.fixture
def members(tmp_path, random_members):
    """Three members over images 1 to 3, in files whose entries are mixed up; image 4 has no detections."""
    of_image = {i: random_members(i, members=3, image_id=i) for i in (1, 2, 3)}
    out = []
    for m in range(3):
        entries = [entry for parts in zip(of_image[2][m], of_image[1][m], of_image[3][m]) for entry in parts]
        write_results(tmp_path / f'm{m}.json', entries)
        out.append(Member(f'm{m}', str(tmp_path / f'm{m}.json'), weight=1.0 + m))
    return out


@pytest.mark.parametrize('fusion', [NMSFusion(), WeightedMaskFusion()])
def test_the_bytes_do_not_depend_on_workers(tmp_path, members, fusion):
    outs = [tmp_path / f'out{n}.json' for n in (1, 2, 3)]
    counts = [merge_files(members, fusion, IMAGES, out, n, progress=False) for n, out in enumerate(outs, 1)]
    assert len({out.read_bytes() for out in outs}) == 1
    assert counts[0] == counts[1] == counts[2]
    read = [read_results(member.results) for member in members]
    assert counts[0].read == sum(map(len, read))
    expected = []
    for image_id in (1, 2, 3):
        found = [[e for e in of_member if e['image_id'] == image_id] for of_member in read]
        expected += fusion(Detections.from_entries(found, 40, 60), weights=[1, 2, 3]).to_entries(image_id)
    merged = read_results(outs[0])
    assert [e['score'] for e in merged] == [e['score'] for e in expected]
    assert [e['image_id'] for e in merged] == [e['image_id'] for e in expected]
    assert counts[0].written == len(merged)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'score': float('nan')}, 'score nan'),
        ({'category_id': 7}, 'unknown category 7'),
        ({'segmentation': {'size': [60, 40], 'counts': '0'}}, r'RLE size \[60, 40\]'),
    ],
)
@pytest.mark.parametrize('workers', [1, 2])
def test_a_wrong_entry_is_named_and_nothing_is_written(tmp_path, members, changes, message, workers):
    path = Path(members[1].results)
    entries = read_results(path)
    entries[4] |= changes
    path.write_text(json.dumps(entries))
    out = tmp_path / 'out' / 'merged.json'
    out.parent.mkdir()
    out.write_text('earlier')
    message = rf'm1\.json: nothing was written\nentry 4 \(image \d\): .*{message}'
    with pytest.raises(ResultsError, match=message):
        merge_files(members, NMSFusion(), IMAGES, out, workers, progress=False)
    with pytest.raises(ResultsError, match=message):
        check_members(open_members(members, IMAGES), IMAGES)
    assert out.read_text() == 'earlier'
    assert list(out.parent.iterdir()) == [out]


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_is_reported(tmp_path, members):
    with pytest.raises(RuntimeError, match='one of 2 processes was killed.*use fewer workers'):
        merge_files(members, die, IMAGES, tmp_path / 'out.json', workers=2, progress=False)
    assert not (tmp_path / 'out.json').exists()


def test_boxes_as_corners_are_refused(tmp_path, members):
    path = Path(members[2].results)
    entries = read_results(path)
    for entry in entries[2:]:
        x, y, w, h = entry['bbox']
        entry['bbox'] = [x, y, x + w, y + h]
    write_results(path, entries)
    first = 2 + next(k for k, e in enumerate(entries[2:]) if max(e['bbox'][:2]) > 1)
    message = rf'm2\.json: its boxes fit .* as x0, y0, x1, y1 .* the first is entry {first}\)'
    with pytest.raises(ResultsError, match=message):
        merge_files(members, NMSFusion(), IMAGES, tmp_path / 'out.json', progress=False)
    assert not (tmp_path / 'out.json').exists()
    with pytest.raises(ResultsError, match=message):
        check_members(open_members(members, IMAGES), IMAGES)


def test_empty_masks_are_left_out_and_counted(tmp_path, entries):
    good, blank = entries([(0, 0, 9, 9, 0.5, 1), (20, 0, 29, 9, 0.9, 1)])
    blank['segmentation'] = {'size': [40, 60], 'counts': [2400]}
    blank['bbox'] = [20, 0, 0, 0]
    (tmp_path / 'a.json').write_text(json.dumps([good, blank]))
    merged = merge_files(
        [Member('a', str(tmp_path / 'a.json'))], NMSFusion(), IMAGES, tmp_path / 'out.json', progress=False
    )
    assert merged == (4, 2, 1, 1)
    assert read_results(tmp_path / 'out.json') == [good]


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, r'c\.py'),
        ('model = dict()', r'c\.py: no members, fusion, ann_file: give a config of configs/ensembles/'),
        ("members = [dict(name='a', result='r.json')]", r'c\.py: a member has name and results, .*result'),
        ("members = [dict(name='a', results='gone.json')]", r'gone\.json: there is no such predictions file'),
    ],
)
def test_the_tool_says_what_is_wrong_without_a_traceback(tmp_path, monkeypatch, call_tool, content, message):
    if content is not None:
        more = "\nfusion = dict(type='NMSFusion')\nann_file = 'ann.json'\nout_dir = 'out'\n"
        (tmp_path / 'c.py').write_text(content + (more if 'members' in content else ''))
    (tmp_path / 'ann.json').write_text('{"images": [], "categories": []}')
    monkeypatch.chdir(tmp_path)
    assert re.search(message, call_tool('ensemble.py', 'c.py', '--workers', 1, code=1).err)


@pytest.fixture
def config(tmp_path, members):
    """A config of the members and of annotations that are the first one's predictions."""
    truth = [{**e, 'id': k + 1, 'area': 9, 'iscrowd': 0} for k, e in enumerate(read_results(members[0].results))]
    images = [{'id': i, 'file_name': f'{i}.tif', 'height': 40, 'width': 60} for i in IMAGES.sizes]
    categories = [{'id': c, 'name': f'class{c}'} for c in IMAGES.categories]
    (tmp_path / 'ann.json').write_text(json.dumps({'images': images, 'categories': categories, 'annotations': truth}))
    (tmp_path / 'ids.json').write_text(json.dumps(images))
    rows = [{'name': m.name, 'results': m.results, 'oof': m.results} for m in members]
    (tmp_path / 'c.py').write_text(
        f"ann_file = oof_ann_file = '{tmp_path}/ann.json'\nids_file = '{tmp_path}/ids.json'\n"
        f"out_dir = '{tmp_path}/out'\nmembers = {rows!r}\nfusion = dict(type='NMSFusion')\n"
        "custom_imports = dict(imports=['mmcellseg.components'])\n"
    )
    return tmp_path / 'c.py'


def test_the_tool_merges_without_torch_and_in_little_memory(config):
    """A worker holds less than its parent, which is looked at after the merge."""
    # VmHWM is the peak of this program; getrusage's would begin with that of the process that started it.
    code = (
        f'import re, runpy, sys\nsys.argv = [{str(TOOL)!r}, {str(config)!r}, "--workers", "1"]\n'
        f'runpy.run_path({str(TOOL)!r}, run_name="__main__")\n'
        'print("torch" in sys.modules, int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024)'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    torch, megabytes = done.stdout.splitlines()[-1].split()
    assert torch == 'False'
    assert float(megabytes) < 150


def test_the_tool_merges_scores_and_zips(tmp_path, config, call_tool):
    printed = call_tool('ensemble.py', config, '--workers', 1).out
    assert '| m0 | 1.0000 |' in printed
    assert {p.name for p in (tmp_path / 'out').iterdir()} == {
        'test-results.json',
        'scores.json',
        'ensemble.json',
        'submission.zip',
    }
    merged = json.loads((tmp_path / 'out' / 'ensemble.json').read_text())
    assert [m['name'] for m in merged['members']] == ['m0', 'm1', 'm2']
    assert (merged['ann_file'], merged['fusion']) == (str(tmp_path / 'ann.json'), {'type': 'NMSFusion'})
    call_tool('ensemble.py', config, '--fit-calibration', tmp_path / 'curves.json')
    assert set(json.loads((tmp_path / 'curves.json').read_text())) == {'m0', 'm1', 'm2'}
    chosen = tmp_path / 'chosen.py'
    options = ('--select', chosen, '--rounds', 2, '--workers', 1)
    assert 'the chosen' in call_tool('ensemble.py', config, *options).out
    assert 'cells of 4 images' in call_tool('ensemble.py', chosen, '--out-dir', tmp_path / 'again').out


def test_the_tool_judges_models_of_the_same_folds_as_one(tmp_path, members, config, call_tool):
    """m0 and m1 share their predictions out of fold, which are all right: they have one curve, and both are chosen."""
    config.write_text(config.read_text().replace(f"'oof': '{members[1].results}'", f"'oof': '{members[0].results}'"))
    call_tool('ensemble.py', config, '--fit-calibration', tmp_path / 'curves.json')
    curves = json.loads((tmp_path / 'curves.json').read_text())
    assert curves['m0'] == curves['m1'] != curves['m2']
    printed = call_tool('ensemble.py', config, '--select', tmp_path / 'chosen.py', '--rounds', 1, '--workers', 1).out
    assert 'chosen.py: 2 of 3 members' in printed
    assert [m.name for m in Config.fromfile(tmp_path / 'chosen.py').members] == ['m0', 'm1']
