"""Logs as mmengine writes them, by hand; positions and values worked out by hand."""

import json
import os

import pytest

from mmcellseg.reporting.run_log import RunLogError, read_run, read_scalars


def train(loss, epoch, iteration=1):
    line = {'lr': 0.01, 'loss': loss, 'loss_mask': loss / 2, 'time': 0.1}
    return line | {'epoch': epoch, 'iter': iteration, 'step': iteration}


def val(step, ap, loss=None, train_ap=None):
    line = {'cell/segm_AP50': ap, 'cell/segm_AP': ap / 2, 'data_time': 0.1, 'time': 0.2}
    line |= {} if loss is None else {'val_loss': loss, 'val_loss_mask': loss / 2}
    return line | ({} if train_ap is None else {'train_split/segm_AP50': train_ap}) | {'step': step}


def write(run, start, lines, tail=''):
    path = run / start / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text(''.join(json.dumps(line) + '\n' for line in lines) + tail)
    return path


def test_the_four_curves_of_a_run(tmp_path):
    run = tmp_path / 'mask-rcnn_r50'
    lines = [train(3, 1, 10), train(1, 1, 20), val(1, 0.2, 2.5, 0.3), train(1.5, 2, 30), val(2, 0.4, 2, 0.5)]
    write(run, '20260101_000000', lines)
    (run / 'best_cell_segm_AP50_epoch_2.pth').touch()
    found = read_run(run)
    assert (found.name, found.chosen) == ('mask-rcnn_r50', 2)
    assert found.train_loss == [(1, 2), (2, 1.5)]  # the mean of 3 and 1
    assert found.val_loss == [(1, 2.5), (2, 2)]
    assert found.train_ap == [(1, 0.3), (2, 0.5)]
    assert found.val_ap == [(1, 0.2), (2, 0.4)]
    assert read_run(run, 'segm_AP').val_ap == [(1, 0.1), (2, 0.2)]


def test_a_resumed_run_replaces_what_it_trained_again(tmp_path):
    write(tmp_path, '20260101_000000', [train(3, 1), val(1, 0.1), train(2, 2), val(2, 0.2), train(9, 3)])
    # Resumed from the checkpoint of epoch 1, whose validation it repeats first.
    write(tmp_path, '20260102_000000', [val(1, 0.15), train(2.5, 2), val(2, 0.25)])
    found = read_run(tmp_path)
    assert found.train_loss == [(1, 3), (2, 2.5)]
    assert found.val_ap == [(1, 0.15), (2, 0.25)]


def test_a_validation_without_training_is_no_point_of_the_curve(tmp_path):
    write(tmp_path, '20260101_000000', [train(3, 1), val(1, 0.1)])
    write(tmp_path, '20260102_000000', [val(0, 0.9)])
    assert read_run(tmp_path).val_ap == [(1, 0.1)]


def test_half_a_line_at_the_end_is_left_out_and_elsewhere_refused(tmp_path):
    path = write(tmp_path, '20260101_000000', [train(3, 1)], tail='{"lr": 0.01, "lo')
    assert read_scalars(path) == [train(3, 1)]
    path.write_text('{"lr": 0.01, "lo\n' + json.dumps(train(3, 1)) + '\n')
    with pytest.raises(RunLogError, match=r'scalars.json, line 1: .*"lo.* is no JSON object'):
        read_scalars(path)


def test_the_chosen_checkpoint(tmp_path):
    write(tmp_path, '20260101_000000', [train(3, e) for e in (1, 2, 3)])
    assert read_run(tmp_path).chosen is None
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_3.pth'))
    assert read_run(tmp_path).chosen == 3  # no validation: the last one
    record = {'config': {}, 'status': 'finished', 'metrics': {'best': {'epoch': 2, 'iter': 8}}}
    (tmp_path / 'record.json').write_text(json.dumps(record))
    assert read_run(tmp_path).chosen == 2
    for time, name in enumerate(['best_cell_segm_AP50_epoch_1.pth', 'best_val_loss_epoch_3.pth']):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time, time))
    assert read_run(tmp_path).chosen == 1  # the one of the metric, though another is newer
    assert read_run(tmp_path, 'other').chosen == 3


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda p: None, r'there is no such folder; give the folder of a run'),
        (lambda p: p.mkdir(), r'run: holds no \*/vis_data/scalars.json, which training writes'),
        (lambda p: write(p, 'a', []), r'neither a training step nor a validation is in .*scalars.json'),
        (lambda p: write(p, 'a', [{'loss': 1.0, 'iter': 1}]), r'run: its log counts iterations'),
        (lambda p: write(p, 'a', [{'cell/PQ': 0.1, 'step': 1}]), r"no metric 'segm_AP50' was logged; there are PQ"),
    ],
)
def test_folders_without_curves_are_named(tmp_path, make, message):
    make(tmp_path / 'run')
    with pytest.raises(RunLogError, match=message):
        read_run(tmp_path / 'run')
