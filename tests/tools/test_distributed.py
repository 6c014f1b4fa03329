"""Several processes: the same training as one, every image once, files written once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_run import REPO, free_port, run_tool, start_tool, write_config, write_data

STEPS = """
custom_imports['imports'] = ['mmcellseg.components', 'tiny_parts']
train_dataloader['dataset']['pipeline'] = [load, annotations, pack]
train_dataloader['sampler'] = dict(type='DefaultSampler', shuffle=False)
model['train_cfg']['rpn']['sampler']['type'] = model['train_cfg']['rcnn']['sampler']['type'] = 'PerImageSampler'
val_dataloader = val_cfg = val_evaluator = None
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1)
param_scheduler = None
"""
# Rank r of two draws r, r + 2, r + 4, …; batches of 2, so a step is (0, 2) and (1, 3), then (4, 6) and (5, 7), …
ACCUMULATED = """
order = [image for step in range(0, 20, 4) for image in (step, step + 2, step + 1, step + 3)]
train_dataloader['sampler'] = dict(type='OrderSampler', order=order)
optim_wrapper['accumulative_counts'] = 2
"""


DRAWN = ('default_hooks.visualization.type=CellVisualizationHook', 'visualizer.type=CellVisualizer')
TESTED = ('tested_by_one', 'tested_by_two')


def run_two(tool: Path, *argv: object, cwd: Path) -> list[str]:
    env = {'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': free_port(), 'WORLD_SIZE': '2'}
    processes = [
        start_tool(tool, *argv, '--launcher', 'pytorch', cwd=cwd, RANK=rank, LOCAL_RANK=rank, **env) for rank in '01'
    ]
    outputs = []
    for process in processes:
        process.join(120)
        outputs.append(process.log.read_text())
    assert [process.exitcode for process in processes] == [0, 0], ''.join(out[-3000:] for out in outputs)
    return outputs


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp('distributed')
    write_data(place / 'data', num_train=20, num_test=5)
    write_config(place / 'two.py', place / 'data', STEPS)
    write_config(place / 'one.py', place / 'data', STEPS + ACCUMULATED)
    return place


@pytest.fixture(scope='module')
def trained_by_two(place):
    return run_two(REPO / 'tools/train.py', 'two.py', '--work-dir', 'two', cwd=place)


def test_two_processes_equal_one_that_accumulates(place, trained_by_two):
    run_tool(REPO / 'tools/train.py', 'one.py', '--work-dir', 'one', cwd=place)
    one, two = (torch.load(place / run / 'epoch_1.pth', weights_only=True) for run in ('one', 'two'))
    assert (one['meta']['iter'], two['meta']['iter']) == (10, 5)
    moved = [state['momentum_buffer'].abs().max() for state in two['optimizer']['state'].values()]
    assert max(moved) > 1e-2  # far from the tolerance: the steps did something
    weights, others = one['state_dict'], two['state_dict']
    for name in weights:
        torch.testing.assert_close(weights[name], others[name], rtol=0, atol=1e-5, msg=lambda m, n=name: f'{n}: {m}')


def test_a_record_and_a_checkpoint_are_written_once(place, trained_by_two):
    assert json.loads((place / 'two/record.json').read_text())['processes'] == 2
    assert 'Saving checkpoint' in trained_by_two[0]
    assert 'Saving checkpoint' not in trained_by_two[1]
    folders = [path for path in (place / 'two').iterdir() if path.is_dir()]
    assert len(folders) == 1


def test_no_image_is_tested_twice_or_left_out(place, trained_by_two):
    """Five images on two processes: the sampler pads to six, and the predictions are those of one process."""
    options = ['two/epoch_1.pth', '--format-only', '--show-dir', 'shown']
    options += ['--cfg-options', 'test_dataloader.batch_size=2', *DRAWN]
    run_tool(REPO / 'tools/test.py', 'two.py', *options, '--work-dir', 'tested_by_one', cwd=place)
    run_two(REPO / 'tools/test.py', 'two.py', *options, '--work-dir', 'tested_by_two', cwd=place)
    one, two = (list((place / run).rglob('test-results.json')) for run in TESTED)
    assert len(one) == len(two) == 1
    images = [entry['image_id'] for entry in json.loads(two[0].read_text())]
    assert set(images) == {1, 2, 3, 4, 5}
    assert one[0].read_text() == two[0].read_text()
    assert two[0].with_name('submission.zip').is_file()
    pictures = [{path.name: path.read_bytes() for path in (place / run).rglob('shown/*')} for run in TESTED]
    assert pictures[0] == pictures[1]
    assert len(pictures[0]) == 5


@pytest.mark.slow
def test_dist_train_starts_torchrun(place, trained_by_two):
    # The script takes the python of an activated environment: this one, activated or not.
    path = f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'
    env = {**os.environ, 'PATH': path, 'PORT': free_port(), 'PYTHONPATH': str(REPO / 'tests')}
    command = ['bash', str(REPO / 'tools/dist_train.sh'), 'two.py', '2', '--work-dir', 'script', '--seed', '0']
    done = subprocess.run(command, cwd=place, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    script, two = (torch.load(place / run / 'epoch_1.pth', weights_only=True) for run in ('script', 'two'))
    assert all(torch.equal(script['state_dict'][name], two['state_dict'][name]) for name in two['state_dict'])


@pytest.fixture
def called(tmp_path):
    """A function: runs a script where one program only writes how it was called, and gives these words."""

    def call(program: str, script: str, *words: str, **env: str) -> list[str]:
        path = tmp_path / program
        path.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n')
        path.chmod(0o755)
        env = {**os.environ, 'PATH': f'{tmp_path}:{os.environ["PATH"]}', **env}
        command = ['bash', str(REPO / 'tools' / script), *words]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.splitlines()

    return call


def test_dist_scripts_pass_the_nodes_on(called):
    env = {'NNODES': '3', 'NODE_RANK': '2', 'MASTER_ADDR': 'head', 'PORT': '1234'}
    for script, given in (('dist_train.sh', ['c.py']), ('dist_test.sh', ['c.py', 'e.pth'])):
        words = called('python', script, *given, '8', '--amp', '--work-dir', 'a folder', **env)
        nodes = ['--nnodes=3', '--node-rank=2', '--master-addr=head', '--master-port=1234', '--nproc-per-node=8']
        assert words[:7] == ['-m', 'torch.distributed.run', *nodes]
        assert words[8:] == [*given, '--launcher', 'pytorch', '--amp', '--work-dir', 'a folder']


def test_slurm_scripts_name_the_processes(called):
    words = called('srun', 'slurm_train.sh', 'part', 'job', 'c.py', 'wd', '--amp', GPUS='4', GPUS_PER_NODE='2')
    assert words[:5] == ['-p', 'part', '--job-name=job', '--gres=gpu:2', '--ntasks=4']
    assert '--ntasks-per-node=2' in words
    assert words[-6:] == ['c.py', '--work-dir', 'wd', '--launcher', 'slurm', '--amp']
    given = ('part', 'job', 'c.py', 'w.pth', 'my slides/*.svs', '--out', 'd')
    words = called('sbatch', 'slurm_predict.sh', *given, JOBS='7', SBATCH_ARGS='--time=1 --mem=2')
    assert words[:4] == ['-p', 'part', '--job-name=job', '--array=1-7']
    assert {'--time=1', '--mem=2', '--gres=gpu:1'} <= set(words)
    assert words[-1].endswith(r'predict.py c.py w.pth my\ slides/\*.svs --out d')


def test_slurm_variables_become_torchs(monkeypatch, tmp_path):
    from mmcellseg.runs.processes import slurm_environment

    scontrol = tmp_path / 'scontrol'
    scontrol.write_text('#!/bin/sh\necho node7\necho node8\n')
    scontrol.chmod(0o755)
    monkeypatch.setenv('PATH', f'{tmp_path}:{os.environ["PATH"]}')
    given = {'SLURM_NODELIST': 'node[7-8]', 'SLURM_PROCID': '3', 'SLURM_NTASKS': '4', 'SLURM_LOCALID': '1'}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    for name in ('MASTER_ADDR', 'MASTER_PORT', 'RANK', 'WORLD_SIZE', 'LOCAL_RANK'):
        monkeypatch.setenv(name, '')
        monkeypatch.delenv(name)
    slurm_environment()
    expected = {'MASTER_ADDR': 'node7', 'MASTER_PORT': '29500', 'RANK': '3', 'WORLD_SIZE': '4', 'LOCAL_RANK': '1'}
    assert {name: os.environ[name] for name in expected} == expected
