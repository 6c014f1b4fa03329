"""Detectors of other kinds as members: each trains a step, predicts RLEs, and all are merged in one ensemble."""

import json
from pathlib import Path
from typing import Any

import pycocotools.mask as mask_api
import pytest
import torch
from mmdet.registry import DATASETS, METRICS, MODELS
from mmengine.config import Config, ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from tiny import tiny_model, tiny_pipeline

from mmcellseg.ensemble import build_fusion
from mmcellseg.ensemble.detections import Detections
from mmcellseg.runs import config_table

LEAVES = sorted((Path(__file__).resolve().parents[2] / 'configs/detectors').glob('*.py'))
NARROW = {256: 32, 128: 16, 2048: 32, 1024: 32, 300: 20}  # channels, and queries


def narrowed(part: Any) -> Any:
    if isinstance(part, dict):
        return {key: narrowed(value) for key, value in part.items()}
    return NARROW.get(part, part) if isinstance(part, int) else part


def small(model: dict) -> dict:
    """The same layers with few channels and no weights to load."""
    if model['type'] == 'CascadeRCNN':
        model = tiny_model(model)
        model['test_cfg']['rcnn'].update(score_thr=0.0, max_per_img=20)
        return model
    model['backbone']['init_cfg'] = None
    if model['type'] == 'Mask2Former':
        head = model['panoptic_head'] = narrowed(model['panoptic_head'])
        head['pixel_decoder']['encoder']['num_layers'], head['transformer_decoder']['num_layers'] = 1, 2
        model['backbone']['base_channels'], head['in_channels'] = 4, [16, 32, 64, 128]
        model['train_cfg']['num_points'] = 64
        model['test_cfg']['max_per_image'] = 20
    else:
        model['backbone'].update(deepen_factor=0.167, widen_factor=1 / 16)
        model['neck'].update(in_channels=[16, 32, 64], out_channels=16)
        model['bbox_head'].update(in_channels=16, feat_channels=16)
        # Its masks are the same for all pixels at first, at about 0.5.
        model['test_cfg'].update(score_thr=0.0, max_per_img=20, mask_thr_binary=0.3)
    return model


@pytest.fixture(scope='module')
def results(synthetic_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict]]:
    """The predictions file of each leaf on two test images, after a step of training."""
    init_default_scope('mmdet')
    written = {}
    for leaf in LEAVES:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv('CELLS_ROOT', str(synthetic_dir))
            cfg = Config.fromfile(leaf)
        torch.manual_seed(0)
        model = MODELS.build(ConfigDict(small(cfg.model.to_dict())))
        train = cfg.train_dataloader.dataset.dataset
        train.update(ann_file='annotations/train.json', pipeline=tiny_pipeline(train.pipeline))
        images = DATASETS.build(cfg.train_dataloader.dataset)
        model.init_weights()
        batch = model.data_preprocessor(pseudo_collate([images[1], images[2]]), training=True)
        loss, parts = model.parse_losses(model.train()(**batch, mode='loss'))
        loss.backward()
        assert torch.isfinite(loss)
        assert any('mask' in name for name in parts)
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)
        torch.optim.SGD(model.parameters(), lr=1e-4).step()
        images = DATASETS.build(cfg.test_dataloader.dataset)
        metric = METRICS.build(
            dict(cfg.test_evaluator, results_file=str(tmp_path_factory.mktemp(leaf.stem) / 'results.json'))
        )
        metric.dataset_meta = images.metainfo
        with torch.no_grad():
            found = model.eval().test_step(pseudo_collate([images[0], images[1]]))
        metric.process({}, [sample.to_dict() for sample in found])
        metric.evaluate(2)
        written[leaf.stem] = json.loads(Path(metric.results_file).read_text())
    return written


def test_they_predict_rles_of_the_images(results: dict[str, list[dict]], synthetic_dir: Path):
    images = json.loads((synthetic_dir / 'annotations/test.json').read_text())['images'][:2]
    sizes = {image['id']: [image['height'], image['width']] for image in images}
    assert [*results] == ['cascade_swin-t', 'mask2former_r50', 'rtmdet-ins_s']
    for name, entries in results.items():
        assert {entry['image_id'] for entry in entries} == set(sizes)
        assert all(entry['segmentation']['size'] == sizes[entry['image_id']] for entry in entries)
        assert {entry['category_id'] for entry in entries} <= {1, 2, 3, 4}
        areas = [int(mask_api.area(entry['segmentation'])) for entry in entries]
        assert max(areas) > 0, name


def test_they_are_merged_in_one_ensemble(results: dict[str, list[dict]]):
    of_first = [[e for e in entries if e['image_id'] == entries[0]['image_id']] for entries in results.values()]
    height, width = of_first[0][0]['segmentation']['size']
    merged = build_fusion({'type': 'SharedMaskFusion'})(Detections.from_entries(of_first, height, width), [*results])
    assert 0 < len(merged.scores) <= sum(map(len, of_first))


@pytest.mark.parametrize('leaf', LEAVES, ids=lambda leaf: leaf.stem)
def test_each_is_at_most_20_lines_that_say_what_they_are(leaf: Path):
    assert len(leaf.read_text().splitlines()) <= 20
    assert 20 <= len(config_table.about(leaf)) <= 114
