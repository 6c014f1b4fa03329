"""What is drawn, by the lines of the figure."""

import json

import numpy as np
import pytest

from mmcellseg.reporting.curves import COLOURS, draw, save
from mmcellseg.reporting.run_log import Run, RunLogError


def make_run(name='run', shift=0.0, **changes):
    curves = {
        'train_loss': [(1, 3.0), (2, 2.0), (3, 1.0)],
        'val_loss': [(1, 3.5), (2, 2.5), (3, 2.6)],
        'train_ap': [(1, 0.2), (2, 0.4), (3, 0.6)],
        'val_ap': [(1, 0.1), (2, 0.3 + shift), (3, 0.25)],
    }
    return Run(name, **({'chosen': 2.0} | curves | changes))


def lines(axes, label):
    return [line for line in axes.lines if line.get_label() == label]


def test_one_run_has_four_curves_and_a_star_on_the_chosen_checkpoint():
    run = make_run()
    loss, ap = draw([run]).axes
    assert (loss.get_title(), ap.get_title(), ap.get_xlabel()) == ('loss', 'segm AP50', 'epoch')
    for axes, label, points in (
        (loss, 'train', run.train_loss),
        (loss, 'val', run.val_loss),
        (ap, 'train', run.train_ap),
        (ap, 'val', run.val_ap),
        (loss, 'chosen', [(2, 2.5)]),
        (ap, 'chosen', [(2, 0.3)]),
    ):
        (line,) = lines(axes, label)
        np.testing.assert_array_equal(line.get_xydata(), points)
    assert [text.get_text() for text in ap.texts] == ['0.300']
    assert {line.get_color() for line in lines(ap, 'train') + lines(ap, 'val')} == set(COLOURS[:2])


def test_several_runs_have_a_colour_each_and_their_names_in_the_legend():
    figure = draw([make_run('first'), make_run('second', shift=0.1, chosen=3.0)])
    for axes in figure.axes:
        assert [line.get_color() for line in lines(axes, 'train')] == list(COLOURS[:2])
        assert [line.get_color() for line in lines(axes, 'val')] == list(COLOURS[:2])
        assert [line.get_linestyle() for line in lines(axes, 'train') + lines(axes, 'val')] == ['--', '--', '-', '-']
    texts = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert texts == ['training', 'validation', 'chosen checkpoint', 'first', 'second']


def test_without_validation_the_loss_stands_alone_with_the_last_checkpoint():
    figure = draw([make_run(val_loss=[], train_ap=[], val_ap=[], chosen=3.0)])
    (loss,) = figure.axes
    assert loss.get_title() == 'loss'
    assert lines(loss, 'chosen')[0].get_xydata().tolist() == [[3, 1]]


def test_a_single_validation_is_a_point_with_its_value():
    figure = draw([make_run(val_loss=[], train_ap=[], val_ap=[(3, 0.25)], chosen=3.0)])
    ap = figure.axes[1]
    assert lines(ap, 'val')[0].get_marker() == 'o'
    assert [text.get_text() for text in ap.texts] == ['0.250']
    assert [handle.get_marker() for handle in figure.legends[0].legend_handles] == ['None', 'o', '*']
    unchosen = draw([make_run(n, val_ap=[(3, v)], chosen=None) for n, v in (('a', 0.25), ('b', 0.5))])
    assert [text.get_text() for text in unchosen.axes[1].texts] == ['0.250', '0.500']


def test_the_legend_names_what_is_drawn_and_no_more():
    def named(**changes):
        return [text.get_text() for text in draw([make_run(**changes)]).legends[0].get_texts()]

    assert named(val_loss=[], val_ap=[], train_ap=[]) == ['training', 'chosen checkpoint']
    assert named(val_loss=[], val_ap=[], train_ap=[], chosen=None) == ['training']
    assert named(train_loss=[], train_ap=[], chosen=None) == ['validation']


def test_the_ending_tells_the_format(tmp_path):
    figure = draw([make_run()])
    assert save(figure, tmp_path / 'a.png').read_bytes()[:4] == b'\x89PNG'
    assert b'<svg' in save(figure, tmp_path / 'a.svg').read_bytes()
    with pytest.raises(RunLogError, match=r"curves.pdf: found the ending 'pdf', expected .png or .svg"):
        save(figure, tmp_path / 'curves.pdf')


def test_the_tool_draws_or_says_why_not(tmp_path, call_tool):
    folder = tmp_path / 'run'
    path = folder / '20260101_000000' / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({'loss': 1.0, 'epoch': 1, 'iter': 1}) + '\n')
    call_tool('analysis_tools/plot_curves.py', folder)
    assert (folder / 'curves.png').is_file()
    assert 'there is no such folder' in call_tool('analysis_tools/plot_curves.py', tmp_path / 'none', code=1).err
