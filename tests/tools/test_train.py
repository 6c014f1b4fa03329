"""Training by our tool and by MMDetection's own."""

import json
import os
import re
import shutil
from pathlib import Path

import mmdet
import pytest
import torch
from mmengine.config import Config
from tiny_run import REPO, run_tool, write_config

from mmcellseg.components import folder_lock
from mmcellseg.components.provenance import sha256
from mmcellseg.components.record import experiment
from mmcellseg.reporting.records import RecordError, difference, read_record
from mmcellseg.runs import launch

STOCK = Path(mmdet.__file__).parent / '.mim/tools'
TRAIN = REPO / 'tools/train.py'


def weights(path):
    return torch.load(path, weights_only=True)['state_dict']


def test_a_run_ends_with_checkpoints_and_its_record(tiny_trained):
    run = tiny_trained / 'run'
    assert {path.name for path in run.glob('*.pth')} == {'epoch_1.pth', 'epoch_2.pth'}
    assert (run / 'last_checkpoint').read_text() == str(run / 'epoch_2.pth')
    record = json.loads((run / 'record.json').read_text())
    assert (record['status'], record['seed']) == ('finished', 0)
    changed = record['config']['changed']
    assert changed['randomness.seed'] == [3, 0]
    # Batches of 2 where 4 was meant: half the learning rate. Mixed precision was asked for, and is not there.
    assert changed['auto_scale_lr.enable'] == ['<absent>', True]
    assert 'no accelerator found: mixed precision is off, training in fp32' in (tiny_trained / 'output.txt').read_text()


def test_stock_training_gives_the_same_weights(tiny_trained, tmp_path):
    options = ('randomness.seed=0', 'optim_wrapper.optimizer.lr=0.005')
    run_tool(
        STOCK / 'train.py', tiny_trained / 'tiny.py', '--work-dir', 'stock', '--cfg-options', *options, cwd=tmp_path
    )
    ours, stock = weights(tiny_trained / 'run/epoch_2.pth'), weights(tmp_path / 'stock/epoch_2.pth')
    assert all(torch.equal(ours[name], stock[name]) for name in ours)


@pytest.mark.slow
def test_stock_tools_run_the_demo_from_another_folder(synthetic_dir, tmp_path):
    """And ours writes the same results file."""
    config = REPO / 'configs/demo/m1.py'
    few = ('model.test_cfg.rcnn.max_per_img=20', 'model.test_cfg.rpn.nms_pre=100', 'model.test_cfg.rpn.max_per_img=100')
    options = (
        *('--cfg-options', *few, 'model.train_cfg.rpn_proposal.nms_pre=100', 'train_dataloader.batch_size=2'),
        *('train_cfg.max_epochs=1', 'train_cfg.val_interval=1', 'train_dataloader.sampler.num_samples=2'),
        'train_dataloader.dataset.dataset.ann_file=annotations/train.json',
        *('val_dataloader.dataset.ann_file=annotations/train.json', 'val_dataloader.dataset.indices=1'),
        f'val_evaluator.ann_file={synthetic_dir}/annotations/train.json',
    )
    env = {'DEMO_ROOT': str(synthetic_dir)}
    run_tool(STOCK / 'train.py', config, '--work-dir', 'run', *options, cwd=tmp_path, **env)
    options = ('--work-dir', 'tested', '--cfg-options', *few)
    run_tool(STOCK / 'test.py', config, 'run/epoch_1.pth', *options, cwd=tmp_path, **env)
    run_tool(REPO / 'tools/test.py', config, 'run/epoch_1.pth', '--format-only', *options, cwd=tmp_path, **env)
    stock, ours = sorted((tmp_path / 'tested').glob('*/test-results.json'))  # each in the folder of its own log
    assert len(list(tmp_path.rglob('test-results.json'))) == 2
    assert len(json.loads(ours.read_text())) > 0
    assert ours.read_text() == stock.read_text()


def test_resuming_executes_nothing_of_a_checkpoint(tiny_trained, tmp_path):
    """``meta['config']`` is Python that mmengine runs on resuming, in its own tools too.

    The config has another seed; the resumed run goes on with the checkpoint's, in the order of images too.
    """
    touched = tmp_path / 'touched'
    checkpoint = torch.load(tiny_trained / 'run/epoch_1.pth', weights_only=True)
    checkpoint['meta']['config'] = f'import os\nos.system("touch {touched}")\n'
    torch.save(checkpoint, tmp_path / 'evil.pth')
    options = ('--work-dir', 'on', '--resume', 'evil.pth', '--cfg-options', 'optim_wrapper.optimizer.lr=0.005')
    run_tool(STOCK / 'train.py', tiny_trained / 'tiny.py', *options, cwd=tmp_path)
    assert not touched.exists()
    ours, resumed = weights(tiny_trained / 'run/epoch_2.pth'), weights(tmp_path / 'on/epoch_2.pth')
    assert all(torch.equal(ours[name], resumed[name]) for name in ours)


def test_resuming_where_nothing_was_trained_begins_from_load_from(tiny_trained, tmp_path):
    """A learning rate of 0 shows what the run began from; its record says so after a real resume too."""
    begin = tiny_trained / 'run/epoch_2.pth'
    for epochs in (1, 2):
        options = (f'load_from={begin}', 'optim_wrapper.optimizer.lr=0.0', f'train_cfg.max_epochs={epochs}')
        run_tool(
            TRAIN, tiny_trained / 'tiny.py', '--work-dir', 'on', '--resume', '--cfg-options', *options, cwd=tmp_path
        )
        ours, theirs = weights(tmp_path / f'on/epoch_{epochs}.pth'), weights(begin)
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
        record = read_record(tmp_path / 'on')
        assert record['config']['values']['load_from'] == str(begin)
        assert record['weights'] == {'file': str(begin), 'sha256': sha256(begin)}
    assert [list(change['changed']) for change in record['resumed']] == [['train_cfg.max_epochs']]


def test_a_foreign_checkpoint_is_not_resumed_without_trust(tiny_trained, tmp_path):
    class Foreign:
        pass

    import __main__

    __main__.Foreign = Foreign  # so that it pickles
    Foreign.__module__, Foreign.__qualname__ = '__main__', 'Foreign'
    checkpoint = torch.load(tiny_trained / 'run/epoch_1.pth', weights_only=True)
    torch.save({**checkpoint, 'foreign': Foreign()}, tmp_path / 'foreign.pth')
    options = ('--work-dir', 'on', '--resume', 'foreign.pth')
    output = run_tool(TRAIN, tiny_trained / 'tiny.py', *options, cwd=tmp_path, code=1)
    last = output.splitlines()[-1]
    assert last.startswith('train: foreign.pth: cannot resume from this checkpoint')
    assert '__main__.Foreign' in last
    assert '--trust-checkpoint' in last
    assert 'Traceback' not in output


def config(tmp_path, extra=''):
    return write_config(tmp_path / 'c.py', tmp_path / 'data', extra)


def test_the_folder_of_another_seed_is_refused(tiny_trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write_config(tmp_path / 'tiny.py', tiny_trained / 'data', f"work_dir = '{tiny_trained / 'run'}'\n")
    before = (tiny_trained / 'run/record.json').read_text()
    cfg = launch.load_config(str(path), {'optim_wrapper.optimizer.lr': 1.0})
    launch.set_seed(cfg, 5)
    with pytest.raises(
        RecordError, match=r'(?s)record\.json belongs to another.*lr: .* there, 1.0 now.*seed: 0 there, 5'
    ):
        launch.run_train(cfg)
    assert (tiny_trained / 'run/record.json').read_text() == before
    assert not list(tiny_trained.glob('run/record_*.json'))


@pytest.mark.parametrize(
    ('accelerator', 'asked', 'amp', 'trained'),
    [
        (False, 'OptimWrapper', True, 'OptimWrapper'),
        (False, 'AmpOptimWrapper', False, 'OptimWrapper'),
        (True, 'OptimWrapper', False, 'OptimWrapper'),
        (True, 'OptimWrapper', True, 'AmpOptimWrapper'),
        (True, 'AmpOptimWrapper', False, 'AmpOptimWrapper'),
    ],
)
def test_mixed_precision_wants_an_accelerator(tmp_path, monkeypatch, accelerator, asked, amp, trained):
    monkeypatch.setattr('torch.cuda.is_available', lambda: accelerator)
    path = config(tmp_path, f"optim_wrapper.update(type='{asked}', dtype='bfloat16')\n")
    cfg = launch.load_config(str(path))
    launch.set_precision(cfg, amp)
    assert cfg.optim_wrapper.type == trained
    assert ('dtype' in cfg.optim_wrapper) == accelerator
    if asked == trained and accelerator:  # a key more in its record would make another experiment of it
        assert difference(experiment(Config.fromfile(path)), experiment(cfg)) == {}


def test_the_config_of_a_resumed_run_says_what_it_began_from(tiny_trained, tmp_path):
    """Also the copy that an earlier version left, with the name of that file in begun_from."""
    shutil.copytree(tiny_trained / 'run', tmp_path / 'copied')
    path = config(tmp_path, f"load_from = 'begin.pth'\nwork_dir = '{tmp_path / 'copied'}'\n")
    cfg = launch.load_config(str(path))
    assert launch.resume_point(cfg, None) is None
    assert launch.resume_point(cfg, 'auto') == str(tmp_path / 'copied/epoch_2.pth')  # not the one it is a copy of
    assert launch.resume_point(cfg, 'other.pth') == 'other.pth'
    assert (cfg.load_from, 'resume' in cfg) == ('begin.pth', False)
    cfg.merge_from_dict({'resume': True, 'load_from': 'last.pth', 'begun_from': 'begin.pth'})
    cfg.dump(tmp_path / 'copy.py')
    copy = launch.load_config(str(tmp_path / 'copy.py'))
    assert (copy.load_from, copy.resume) == ('begin.pth', False)


def test_what_the_command_line_says_goes_before_the_config(tmp_path):
    path = str(config(tmp_path, 'randomness = dict(seed=7, deterministic=True)\n'))
    cfg = launch.load_config(path)
    launch.set_seed(cfg, None)
    assert cfg.randomness.seed == 7
    launch.set_seed(cfg, 0)
    assert cfg.randomness == {'seed': 0, 'deterministic': True}
    with pytest.raises(ValueError, match=r'c\.py: --auto-scale-lr needs auto_scale_lr=dict\(base_batch_size'):
        launch.set_auto_scale_lr(cfg)
    assert cfg.work_dir == 'work_dirs/c'
    assert launch.load_config(path, {'work_dir': 'x'}).work_dir == 'x'
    assert launch.load_config(path, {'work_dir': 'x'}, 'y').work_dir == 'y'
    cfg = launch.load_config(path, {'optim_wrapper.optimizer.lr': 1.0, 'auto_scale_lr.enable': True, 'resume': True})
    assert cfg.optim_wrapper.optimizer.lr == 1.0


@pytest.mark.parametrize('tool', [TRAIN, STOCK / 'train.py'])
def test_a_second_training_into_a_folder_is_refused(tiny_trained, tmp_path, tool):
    """This process holds it; nothing of the run that is there changes."""
    shutil.copytree(tiny_trained / 'run', tmp_path / 'run')
    before = {path: path.read_bytes() for path in (tmp_path / 'run').glob('*.*')}
    folder_lock.hold(tmp_path / 'run')
    try:
        output = run_tool(tool, tiny_trained / 'tiny.py', '--work-dir', 'run', cwd=tmp_path, code=1)
    finally:
        folder_lock.release(tmp_path / 'run')
    assert re.search(
        rf'run: process {os.getpid()} on \S+ \(since .*\) trains into this folder', output.splitlines()[-1]
    )
    after = {path: path.read_bytes() for path in (tmp_path / 'run').glob('*.*')}
    changed = {path.name for path in before if before[path] != after[path]}
    assert changed == (set() if tool == TRAIN else {'tiny.py'})  # stock writes its config's copy before any hook


def test_what_a_user_can_mend_is_a_line(tiny_trained, tmp_path):
    (tmp_path / 'file').touch()
    write_config(tmp_path / 'step.py', tiny_trained / 'data', "weights = 's20'\n")
    tiny = tiny_trained / 'tiny.py'
    for given, line in (
        (('tinny.py',), 'train: tinny.py: there is no such config'),
        ((tiny, '--work-dir', 'file'), r'train: file: no folder for a run \(File exists\); give another --work-dir'),
        ((tiny, '--cfg-options', 'model.neck.type=FPNN'), r'train: there is no model FPNN; did you mean FPN'),
        (('step.py',), 'train: step.py trains nothing: it takes the weights of step s20'),
    ):
        output = run_tool(TRAIN, *given, cwd=tmp_path, code=1)
        assert re.match(line, output.splitlines()[-1])
        assert 'Traceback' not in output
