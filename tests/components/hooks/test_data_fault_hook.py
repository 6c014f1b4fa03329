"""Images that cannot be read, and workers that die, in a run."""

import json
import shutil

import pytest
from tiny_run import REPO, run_tool, write_config, write_data

from mmcellseg.components.hooks.data_fault_hook import explain_worker_death

TRAIN = REPO / 'tools/train.py'
WORKERS = """
custom_imports['imports'] = ['mmcellseg.components', 'tiny_parts']
train_cfg['max_epochs'] = 1
val_dataloader = val_cfg = val_evaluator = None
train_dataloader['num_workers'] = 1
"""


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """Four images, of which the third is cut off in its middle."""
    place = tmp_path_factory.mktemp('faults')
    write_data(place / 'data')
    image = place / 'data/train_3.png'
    image.write_bytes(image.read_bytes()[:3000])
    return place


def train(place, extra, code):
    write_config(place / 'c.py', place / 'data', WORKERS + extra)
    return run_tool(TRAIN, 'c.py', '--work-dir', 'run', cwd=place, code=code)


def test_a_corrupt_image_names_itself_and_stops(place):
    output = train(place, "custom_hooks = [dict(type='DataFaultHook')]\n", 1)
    assert f'{place}/data/train_3.png: cannot be loaded for training' in output
    assert 'DataFaultHook with skip_corrupt=True' in output
    assert 'train_3.png' in json.loads((place / 'run/record.json').read_text())['error']


def test_a_corrupt_image_is_skipped_and_counted_if_asked(place):
    output = train(place, "custom_hooks = [dict(type='DataFaultHook', skip_corrupt=True)]\n", 0)
    assert f'1 images could not be read and were skipped: {place}/data/train_3.png' in output


def test_images_that_are_not_there_are_refused_before_the_first_step(place, tmp_path):
    data = shutil.copytree(place / 'data', tmp_path / 'data')
    for file in data.rglob('*.json'):
        file.write_text(file.read_text().replace(str(place / 'data'), str(data)))
    for name in ('train_2.png', 'train_4.png'):
        (data / name).unlink()
    hook = "custom_hooks = [dict(type='DataFaultHook')]\n"
    write_config(tmp_path / 'c.py', data, hook)
    output = run_tool(TRAIN, 'c.py', '--work-dir', 'run', cwd=tmp_path, code=1)
    found = f'{data}/annotations/train.json: 2 of its 4 images are not there, such as {data}/train_2.png, '
    assert found in output
    assert 'Epoch(train)' not in output
    # From the training set they may be skipped as damaged ones are, from the validation set not.
    skipping = hook.replace("')", "', skip_corrupt=True)")
    write_config(tmp_path / 'c.py', data, skipping)
    assert found in run_tool(TRAIN, 'c.py', '--work-dir', 'run', cwd=tmp_path, code=1)
    write_config(tmp_path / 'c.py', data, skipping + 'val_dataloader = val_evaluator = val_cfg = None\n')
    output = run_tool(TRAIN, 'c.py', '--work-dir', 'run', cwd=tmp_path)
    assert '3 images could not be read and were skipped' in output  # one is damaged


def test_a_worker_that_dies_is_reported_with_its_cause(place):
    extra = "train_dataloader['dataset']['pipeline'].insert(0, dict(type='DieInWorker', index=1))\n"
    output = train(place, extra, 1)
    assert 'it was killed, as a rule out of memory' in output
    assert 'use fewer workers' in json.loads((place / 'run/record.json').read_text())['error']


KILLED = 'DataLoader worker (pid 12) is killed by signal: {}. '


@pytest.mark.parametrize(
    ('message', 'cause'),
    [
        (KILLED.format('Killed'), 'use fewer workers or smaller images'),
        (KILLED.format('Bus error') + 'It is possible that workers are out of memory.', 'shared memory'),
        (KILLED.format('Segmentation fault'), 'num_workers=0 shows which'),
        (KILLED.format('Hangup'), 'its signal: Hangup'),
        ('DataLoader worker (pid(s) 12, 13) exited unexpectedly', 'it was killed, as a rule'),
    ],
)
def test_the_cause_of_a_death(message, cause):
    assert cause in explain_worker_death(RuntimeError(message))
    later = RuntimeError('DataLoader worker (pid(s) 12, 13) exited unexpectedly')
    later.__cause__ = RuntimeError(message)
    assert cause in explain_worker_death(later)
    assert explain_worker_death(ValueError('x')) == ''
