"""Heads that do not fit the data are refused before the first step, in either direction."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from tiny_run import write_config, write_data

from mmcellseg.components.hooks.class_count_hook import ClassCountHook
from mmcellseg.components.models.cell_tta_model import CellTTAModel


def train(folder, extra):
    path = write_config(folder / 'config.py', write_data(folder / 'data'), extra)
    cfg = Config.fromfile(path)
    cfg.work_dir, cfg.experiment_name = str(folder / 'run'), folder.name
    cfg.visualizer.name = folder.name
    Runner.from_cfg(cfg).train()


HOOK = """
train_cfg['max_epochs'] = 1
default_hooks.pop('record')
custom_hooks = [dict(type='ClassCountHook')]
"""


@pytest.mark.parametrize(('head', 'number'), [('bbox_head', 1), ('bbox_head', 4), ('mask_head', 4)])
def test_refused(tmp_path, head, number):
    message = rf'roi_head\.{head} has num_classes={number}, but .*train\.json has 2 classes \(class1, class2\)'
    with pytest.raises(ValueError, match=message):
        train(tmp_path, HOOK + f"model['roi_head']['{head}']['num_classes'] = {number}")
    assert not list(tmp_path.glob('run/*.pth'))


def test_a_model_within_others_is_checked():
    head = torch.nn.Module()
    head.bbox_head = torch.nn.Module()
    head.bbox_head.num_classes = 3
    detector = torch.nn.Module()
    detector.roi_head, detector.test_step = head, None  # what it is wrapped for
    runner = SimpleNamespace(
        model=CellTTAModel(module=detector),
        test_dataloader=SimpleNamespace(dataset=SimpleNamespace(metainfo={'classes': ('a', 'b')}, ann_file='t.json')),
    )
    with pytest.raises(ValueError, match=r'bbox_head has num_classes=3, but t\.json has 2 classes'):
        ClassCountHook().before_test(runner)


def test_a_fitting_model_trains(tmp_path):
    train(tmp_path, HOOK)
    assert list(tmp_path.glob('run/epoch_1.pth'))
