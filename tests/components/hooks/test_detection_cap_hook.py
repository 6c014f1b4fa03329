"""A run says which images reached the caps of its model."""

from types import SimpleNamespace

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from mmcellseg.components.hooks.detection_cap_hook import DetectionCapHook
from mmcellseg.components.models.cell_tta_model import CellTTAModel


def sample(name: str, detections: int, **facts) -> DetDataSample:
    out = DetDataSample(metainfo={'img_path': f'data/train/{name}/image.tif', 'img_id': 3, **facts})
    out.pred_instances = InstanceData(scores=torch.zeros(detections))
    return out


@pytest.fixture
def runner() -> SimpleNamespace:
    detector = torch.nn.Module()
    detector.test_cfg = {'rpn': {'max_per_img': 40}, 'rcnn': {'max_per_img': 5}}
    detector.test_step = None  # what it is wrapped for
    said: list[str] = []
    return SimpleNamespace(model=CellTTAModel(module=detector), logger=SimpleNamespace(warning=said.append), said=said)


def test_the_last_validation_is_told_once_at_the_end(runner: SimpleNamespace) -> None:
    hook = DetectionCapHook()
    hook.before_val_epoch(runner)
    hook.after_val_iter(runner, 0, None, [sample('early', 5)])
    hook.after_train_iter(runner, 0, None, {'loss': 1.0})
    hook.before_val_epoch(runner)
    hook.after_val_iter(runner, 0, None, [sample('full', 5), sample('sparse', 4)])
    assert runner.said == []
    hook.after_run(runner)
    (message,) = runner.said
    assert message.startswith('1 of 2 images have as many detections as model.test_cfg.rcnn.max_per_img=5 allows')
    assert ': full/image.tif. Raise it' in message


def test_of_views_the_one_with_most_detections_counts_and_without_a_cap_reached_nothing_is_said(runner) -> None:
    hook = DetectionCapHook()
    hook.after_run(runner)
    hook.before_test_epoch(runner)
    hook.after_test_iter(runner, 0, None, [sample('a', 4), DetDataSample()])
    hook.after_run(runner)
    assert runner.said == []
    hook.after_test_iter(runner, 0, None, [sample('a', 9, most_detections=4), sample('b', 2, most_detections=5)])
    hook.after_run(runner)
    assert [': b/image.tif.' in message for message in runner.said] == [True]
