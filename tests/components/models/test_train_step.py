"""A train step and a prediction with the box-local parts, beside stock MMDetection's on the same images."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.registry import DATASETS, METRICS, MODELS
from mmdet.structures.mask import encode_mask_results
from mmdet.utils import register_all_modules
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope

from mmcellseg.components.box_masks import BoxMasks

REPO = Path(__file__).resolve().parents[3]


def model_config(stock: bool) -> Config:
    """The narrow Mask R-CNN of the configs, and the same with MMDetection's parts."""
    config = Config.fromfile(REPO / 'configs/_base_/models/mask-rcnn_r18_fpn-64.py').model
    config.train_cfg.rpn_proposal.max_per_img = 200
    config.test_cfg.rpn.max_per_img = 60
    config.test_cfg.rcnn.update(score_thr=0.001, max_per_img=20)
    assert config.roi_head.mask_head.type == 'RLEMaskHead'
    if stock:
        config.roi_head.mask_head.type = 'FCNMaskHead'
        for part in (config.train_cfg.rpn, config.train_cfg.rcnn):
            assert part.assigner.type == 'ChunkedMaxIoUAssigner'
            part.assigner.type = 'MaxIoUAssigner'
    return config


def batch(root: Path, stock: bool) -> dict:
    """Two crops of synthetic tissue, with bitmaps for stock and with box-local masks for ours."""
    loading = {'type': 'LoadAnnotations', 'with_bbox': True} if stock else {'type': 'LoadCellAnnotations'}
    dataset = DATASETS.build(
        {
            'type': 'CellDataset',
            'data_root': str(root),
            'ann_file': 'annotations/train.json',
            'data_prefix': {'img': ''},
            'pipeline': [
                {'type': 'LoadTiffImage'},
                dict(loading, with_mask=True),
                {'type': 'RandomCrop', 'crop_size': (96, 96), 'recompute_bbox': True},
                {'type': 'RandomFlip', 'prob': 1.0, 'direction': 'diagonal'},
                {'type': 'PackDetInputs', 'meta_keys': ('img_id', 'img_shape', 'ori_shape', 'scale_factor')},
            ],
        }
    )
    np.random.seed(0)  # MMDetection's transforms draw by it
    return pseudo_collate([dataset[0], dataset[1]])


@pytest.fixture(scope='module')
def outcomes(synthetic_dir) -> dict[bool, dict]:
    """Losses, gradients and predictions of one step, by whether they are stock's."""
    register_all_modules(init_default_scope=False)
    init_default_scope('mmdet')
    out = {}
    for stock in (True, False):
        torch.manual_seed(0)
        model = MODELS.build(model_config(stock))
        model.init_weights()
        data = batch(synthetic_dir, stock)
        masks = [sample.gt_instances.masks for sample in data['data_samples']]
        prepared = model.data_preprocessor(data, training=True)
        torch.manual_seed(1)
        total, losses = model.parse_losses(model(**prepared, mode='loss'))
        total.backward()
        gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        torch.optim.SGD(model.parameters(), lr=1e-3).step()
        model.eval()
        with torch.no_grad():
            predictions = model.predict(prepared['inputs'], prepared['data_samples'], rescale=True)
        out[stock] = {'masks': masks, 'losses': losses, 'gradients': gradients, 'predictions': predictions}
    return out


def test_losses_and_gradients_are_stocks(outcomes):
    stock, ours = outcomes[True], outcomes[False]
    assert all(isinstance(masks, BoxMasks) and len(masks) > 3 for masks in ours['masks'])
    assert not any(isinstance(masks, BoxMasks) for masks in stock['masks'])
    assert set(ours['losses']) == set(stock['losses']) >= {'loss_mask', 'loss_cls', 'loss_rpn_bbox'}
    for name, value in stock['losses'].items():
        assert ours['losses'][name].item() == pytest.approx(value.item(), abs=1e-5), name
        assert value.isfinite()
    for a, b in zip(stock['gradients'], ours['gradients'], strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_predictions_after_the_step_are_stocks(outcomes):
    found = 0
    for stock, ours in zip(outcomes[True]['predictions'], outcomes[False]['predictions'], strict=True):
        stock, ours = stock.pred_instances, ours.pred_instances
        assert torch.allclose(stock.bboxes, ours.bboxes, atol=1e-4)
        encoded = encode_mask_results(stock.masks.numpy())
        assert [r['counts'] for r in ours.masks] == [r['counts'] for r in encoded]
        found += len(encoded)
    assert found > 0


@pytest.mark.parametrize('metric', ['CocoMetric', 'CellMetric'])
def test_metrics_take_both_and_images_without_detections(outcomes, synthetic_dir, tmp_path, metric):
    """The files written from stock's bitmaps and from RLEs; the second image has no detections."""
    written = []
    for stock in (True, False):
        first, second = (sample.clone() for sample in outcomes[stock]['predictions'])
        second.pred_instances = second.pred_instances[:0]
        if not stock:
            # What the RoI head gives for an image without detections, and what indexing leaves of a list.
            assert second.pred_instances.masks == []
            second.pred_instances.masks = torch.zeros((0, 96, 96), dtype=torch.bool)
        prefix = tmp_path / str(stock)
        where = {'outfile_prefix': str(prefix)} if metric == 'CocoMetric' else {'results_file': f'{prefix}.segm.json'}
        config = {'type': metric, 'ann_file': str(synthetic_dir / 'annotations/train.json'), 'format_only': True}
        evaluator = METRICS.build(dict(config, metric=['bbox', 'segm'], **where))
        evaluator.dataset_meta = {'classes': ('class1', 'class2', 'class3', 'class4')}
        evaluator.process({}, [first.to_dict(), second.to_dict()])
        evaluator.evaluate(2)
        entries = json.loads(Path(f'{prefix}.segm.json').read_text())
        written.append([(e['image_id'], e['segmentation']) for e in entries])
    assert len(written[0]) == len(outcomes[True]['predictions'][0].pred_instances) > 0
    assert written[0] == written[1]
