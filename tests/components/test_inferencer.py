"""MMDetection's DetInferencer and inference_detector: paths and arrays, with this project's reader and any other."""

import json
from pathlib import Path

import cv2
import numpy as np
import pycocotools.mask as mask_api
import pytest
from mmdet.apis import DetInferencer, inference_detector, init_detector
from mmengine.config import Config
from mmengine.visualization import Visualizer

CHECKPOINT = 'run/epoch_2.pth'
META = ('img_path', 'ori_shape', 'img_shape', 'scale_factor')


@pytest.fixture
def cfg(tiny_trained: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """The trained tiny config with RLE masks and our visualizer, in its own folder."""
    monkeypatch.chdir(tiny_trained)
    Visualizer._instance_dict.clear()
    cfg = Config.fromfile('tiny.py')
    cfg.model.roi_head.mask_head.type = 'RLEMaskHead'
    cfg.visualizer.type = 'CellVisualizer'
    return cfg


@pytest.fixture
def path(tiny_trained: Path) -> str:
    return str(tiny_trained / 'data' / 'test_1.png')


def predicted(cfg: Config, image: str | np.ndarray) -> tuple[np.ndarray, list[bytes]]:
    found = inference_detector(init_detector(cfg, CHECKPOINT, device='cpu'), image).pred_instances
    assert len(found) > 0
    return found.bboxes.numpy(), [rle['counts'] for rle in found.masks]


def test_the_detector_of_a_notebook_takes_paths_and_arrays_of_any_reader(cfg: Config, path: str):
    boxes, masks = predicted(cfg, path)
    of_array = predicted(cfg, cv2.imread(path))
    cfg.test_dataloader.dataset.pipeline = [{'type': 'LoadImageFromFile'}, {'type': 'PackDetInputs', 'meta_keys': META}]
    for other in (of_array, predicted(cfg, path), predicted(cfg, cv2.imread(path))):
        np.testing.assert_array_equal(other[0], boxes)
        assert other[1] == masks


def test_the_inferencer_takes_paths_and_arrays_and_writes_what_it_found(cfg: Config, path: str, tmp_path: Path):
    boxes, masks = predicted(cfg, path)
    inferencer = DetInferencer(cfg, CHECKPOINT, device='cpu', show_progress=False)
    out = inferencer([path, cv2.imread(path)], out_dir=str(tmp_path), no_save_pred=False)
    for found in out['predictions']:
        np.testing.assert_allclose(found['bboxes'], boxes)
        assert [rle['counts'].encode() for rle in found['masks']] == masks
        assert mask_api.area(found['masks'][0]) > 0
    written = json.loads((tmp_path / 'preds' / 'test_1.json').read_text())
    assert len(written['masks']) == len(masks)
    assert sorted(p.name for p in (tmp_path / 'vis').iterdir()) == ['00000001.jpg', 'test_1.png']


def test_the_inferencer_of_other_configs_is_stock(cfg: Config, path: str):
    masks = predicted(cfg, path)[1]
    pack = {'type': 'PackDetInputs', 'meta_keys': META}
    steps = [{'type': 'LoadImageFromFile'}, {'type': 'Resize', 'scale_factor': 1.0}, pack]
    cfg.test_dataloader.dataset.pipeline = steps
    cfg.model.roi_head.mask_head.type = 'FCNMaskHead'
    (found,) = DetInferencer(cfg, CHECKPOINT, device='cpu', show_progress=False)(path)['predictions']
    assert [rle['counts'].encode() for rle in found['masks']] == masks
