"""Runs that are killed, in the middle of a write too, and disks that are full."""

import json
import re
from types import SimpleNamespace

import pytest
import torch
from tiny_run import REPO, run_tool, write_config, write_data

from mmcellseg.components.hooks.atomic_checkpoint_hook import AtomicCheckpointHook
from mmcellseg.runs import launch

TRAIN = REPO / 'tools/train.py'
KILLED = -9
# Persistent workers, a moving average, early stopping, and a score that is best at epoch 2.
# Two epochs without a better one end the run at epoch 4 of 6; one that forgets would find a better one later.
LONG = """
custom_imports['imports'] = ['mmcellseg.components', 'tiny_parts']
train_cfg['max_epochs'] = 6
train_dataloader.update(num_workers=2, persistent_workers=True)
val_evaluator = dict(type='ScriptedMetric', scores=[0.1, 0.4, 0.2, 0.3, 0.5, 0.6])
default_hooks['checkpoint'].update(save_best='score', rule='greater', max_keep_ckpts=1)
custom_hooks = [
    dict(type='EMAHook'),
    dict(type='EarlyStoppingHook', monitor='score', rule='greater', min_delta=0, patience=2),
]
"""


def tensors(path):
    checkpoint = torch.load(path, weights_only=True)
    optimizer = checkpoint['optimizer']['state']
    return {
        **checkpoint['state_dict'],
        **{f'ema.{name}': value for name, value in checkpoint['ema_state_dict'].items()},
        **{f'momentum.{number}': state['momentum_buffer'] for number, state in optimizer.items()},
    }


def checkpoints(run):
    return {path.name for path in run.iterdir() if path.name.endswith(('.pth', '.tmp'))}


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """A folder with the data and the run ``alone``, which nothing disturbed."""
    place = tmp_path_factory.mktemp('atomic')
    write_data(place / 'data')
    write_config(place / 'alone.py', place / 'data', LONG)
    run_tool(TRAIN, 'alone.py', '--work-dir', 'alone', cwd=place)
    return place


def disturbed(place, name, hook, code):
    """A run that a hook ends."""
    write_config(place / f'{name}.py', place / 'data', f'{LONG}custom_hooks.append({hook})\n')
    return run_tool(TRAIN, f'{name}.py', '--work-dir', name, cwd=place, code=code)


def resume(place, name):
    return run_tool(TRAIN, 'alone.py', '--work-dir', name, '--resume', cwd=place)


def same_end(place, name):
    """Whether a run has the files of the run alone, and weights that are equal to the bit."""
    alone, other = place / 'alone', place / name
    assert checkpoints(other) == checkpoints(alone)
    weights, others = tensors(alone / 'epoch_4.pth'), tensors(other / 'epoch_4.pth')
    assert weights.keys() == others.keys()
    return all(torch.equal(weights[key], others[key]) for key in weights)


def test_the_run_alone_keeps_the_last_and_the_best(place):
    """Early stopping after two epochs without a better score than epoch 2's."""
    assert checkpoints(place / 'alone') == {'epoch_4.pth', 'best_score_epoch_2.pth'}
    record = json.loads((place / 'alone/record.json').read_text())
    assert (record['metrics']['best']['epoch'], record['metrics']['best']['score']) == (2, 0.4)
    assert record['metrics']['last']['epoch'] == 4


@pytest.mark.parametrize('at', [3, 6])
def test_killed_and_resumed_ends_bit_equal(place, at):
    """Two iterations an epoch: killed in the middle of epoch 2, and at the start of epoch 4."""
    name = f'killed{at}'
    disturbed(place, name, f"dict(type='KillHook', at={at})", KILLED)
    record = json.loads((place / name / 'record.json').read_text())
    assert record['status'] == 'unfinished'
    assert record['progress']['epoch'] == at // 2
    output = resume(place, name)
    assert 'Repeating the validation due at the checkpoint' in output
    assert same_end(place, name)
    record = json.loads((place / name / 'record.json').read_text())
    assert (record['status'], len(record['resumed'])) == ('finished', 1)
    assert record['metrics']['best']['epoch'] == 2


def test_a_kill_inside_the_write_keeps_the_earlier_checkpoint(place):
    """Writes: epoch 1, best 1, epoch 1 again, epoch 2, best 2, …: the fifth replaces the best checkpoint."""
    disturbed(place, 'torn', "dict(type='BreakWriteHook', count=5, how='kill')", KILLED)
    torn = place / 'torn'
    assert checkpoints(torn) == {'epoch_2.pth', 'best_score_epoch_1.pth', '.best_score_epoch_2.pth.tmp'}
    assert (torn / 'last_checkpoint').read_text() == str(torn / 'epoch_2.pth')
    torch.load(torn / 'best_score_epoch_1.pth', weights_only=True)
    resume(place, 'torn')
    assert same_end(place, 'torn')


def test_a_kill_inside_the_write_of_an_epoch(place):
    disturbed(place, 'torn_epoch', "dict(type='BreakWriteHook', count=4, how='kill')", KILLED)
    torn = place / 'torn_epoch'
    assert checkpoints(torn) == {'epoch_1.pth', 'best_score_epoch_1.pth', '.epoch_2.pth.tmp'}
    assert (torn / 'last_checkpoint').read_text() == str(torn / 'epoch_1.pth')


def test_a_full_disk_says_so_and_keeps_what_is_there(place):
    """The sixth write is the one again of epoch 2 after its validation."""
    output = disturbed(place, 'full', "dict(type='BreakWriteHook', count=6, how='full')", 1)
    assert 'the checkpoint cannot be written (No space left on device); earlier ones are whole' in output
    assert 'go on with --resume' in output
    assert checkpoints(place / 'full') == {'epoch_2.pth', 'best_score_epoch_2.pth'}
    record = json.loads((place / 'full/record.json').read_text())
    assert record['status'] == 'unfinished'
    assert 'No space left on device' in record['error']
    resume(place, 'full')
    assert same_end(place, 'full')


ITERATIONS = """
custom_imports['imports'] = ['mmcellseg.components', 'tiny_parts']
train_dataloader['dataset']['pipeline'] = [load, annotations, pack]
train_dataloader['sampler'] = dict(type='InfiniteSampler')
model['train_cfg']['rpn']['sampler']['type'] = model['train_cfg']['rcnn']['sampler']['type'] = 'PerImageSampler'
train_cfg = dict(type='IterBasedTrainLoop', max_iters=6, val_interval=2)
val_evaluator = dict(type='ScriptedMetric', scores=[0.1])
default_hooks['checkpoint'].update(by_epoch=False, interval=2)
log_processor = dict(by_epoch=False)
custom_hooks = []
"""


def test_an_iteration_based_run_resumes_to_the_same_images(place):
    """Without augmentation and with RoI sampling by image, the images are all there is to differ."""
    for name, hook in (('iterations', ''), ('cut', "custom_hooks.append(dict(type='KillHook', at=5))\n")):
        write_config(place / f'{name}.py', place / 'data', ITERATIONS + hook)
        run_tool(TRAIN, f'{name}.py', '--work-dir', name, cwd=place, code=KILLED if hook else 0)
    run_tool(TRAIN, 'iterations.py', '--work-dir', 'cut', '--resume', cwd=place)
    whole, cut = (torch.load(place / run / 'iter_6.pth', weights_only=True) for run in ('iterations', 'cut'))
    assert all(torch.equal(whole['state_dict'][name], cut['state_dict'][name]) for name in whole['state_dict'])


SCORES = ('segm_AP50', 'segm_AP50_glossy', 'mPQ+', 'bPQ', 'F1_class1', 'Dice')  # a class's name is no loss
NATURAL = {
    **dict.fromkeys(('val_loss', 'val_loss_mask'), 'less'),
    **dict.fromkeys((*(f'cell/{score}' for score in SCORES), 'coco/bbox_mAP', 'train_split/AJI'), 'greater'),
}


@pytest.mark.parametrize(('key', 'natural'), NATURAL.items())
def test_the_rule_comes_from_the_key_and_its_opposite_is_refused(key, natural):
    for rule in (None, natural):
        assert AtomicCheckpointHook(save_best=key, rule=rule).rules == [natural]
    opposite = {'less': 'greater', 'greater': 'less'}[natural]
    with pytest.raises(ValueError, match=rf"rule='{opposite}' with .* keep the worst.*expected rule='{natural}'"):
        AtomicCheckpointHook(save_best=key, rule=opposite)


def test_a_metric_of_unknown_kind_takes_either_rule_but_not_none():
    for rule in ('greater', 'less'):
        assert AtomicCheckpointHook(save_best='err', rule=rule).rules == [rule]
    with pytest.raises(ValueError, match='Cannot infer the rule for key err'):
        AtomicCheckpointHook(save_best='err')
    hook = AtomicCheckpointHook(save_best=['err', 'gain'], less_keys=['err'], greater_keys='gain')
    assert hook.rules == ['less', 'greater']
    assert hook.is_better_than['err'](0.1, 0.2)
    with pytest.raises(ValueError, match=r"rule='less' with save_best='cell/PQ' would keep the worst"):
        AtomicCheckpointHook(save_best='cell/PQ', less_keys=['PQ'])


ELSEWHERE = [
    {'out_dir': 's3://bucket/runs'},
    {'backend_args': {'backend': 'petrel'}},
    {'file_client_args': {'backend': 'disk'}},
]


@pytest.mark.parametrize('place', ELSEWHERE, ids=list)
def test_checkpoints_elsewhere_than_on_disk_are_refused_at_once(place):
    key, value = next(iter(place.items()))
    with pytest.raises(ValueError, match=re.escape(f'{key}={value!r}') + '.*checkpoints go to the local disk'):
        AtomicCheckpointHook(**place)
    AtomicCheckpointHook(backend_args={'backend': 'local'})


def test_a_mistyped_key_names_the_known_ones():
    hook = AtomicCheckpointHook(save_best='cell/segm_AP5O')
    runner = SimpleNamespace(epoch=1, iter=2, message_hub=None)
    with pytest.raises(KeyError, match=r'save_best=cell/segm_AP5O is no metric.*one of cell/PQ, cell/segm_AP50'):
        hook.after_val_epoch(runner, {'cell/segm_AP50': 0.1, 'cell/PQ': 0.2})


def test_a_loaded_run_is_saved_without_training(place, tmp_path, monkeypatch):
    """What early stopping had counted stays, too."""
    monkeypatch.chdir(place)
    cfg = launch.load_config('alone.py', {'load_from': 'alone/epoch_4.pth'}, str(tmp_path / 'on'))
    cfg.custom_hooks = cfg.custom_hooks[1:]  # mmengine's moving average needs a training
    runner = launch.build_runner(cfg)
    runner.load_or_resume()
    runner.save_checkpoint(str(tmp_path), 'again.pth', save_optimizer=False, save_param_scheduler=False)
    again, before = (torch.load(path, weights_only=True) for path in (tmp_path / 'again.pth', 'alone/epoch_4.pth'))
    assert again['early_stopping'] == before['early_stopping'] == [{'wait_count': 1, 'best_score': 0.4}]
    assert all(torch.equal(again['state_dict'][name], value) for name, value in before['state_dict'].items())


def test_a_checkpoint_holds_no_more_history_than_resuming_needs(place):
    """Eight iterations were logged; the log processor averages over the last three."""
    write_config(place / 'short.py', place / 'data', LONG + 'log_processor = dict(window_size=3)\n')
    run_tool(TRAIN, 'short.py', '--work-dir', 'short', cwd=place)
    lengths = {}
    for name in ('alone', 'short'):
        hub = torch.load(place / name / 'epoch_4.pth', weights_only=True)['message_hub']
        lengths[name] = len(hub['log_scalars']['train/loss']['_history_values_and_counts'][0])
    assert lengths == {'alone': 8, 'short': 3}
